/** The pieces that outbound policies are put together from: backends, distributions, default routes. */
import type { Metadata } from "#proto/meta";
import type { TcpAddress } from "#proto/net";
import type {
  Backend,
  Backend_BalanceP2c,
  GrpcRoute_Retry,
  GrpcRoute_Rule,
  HttpRoute_Retry,
  HttpRoute_Rule,
  OpaqueRoute_Rule,
} from "#proto/outbound";
import { durationMessage } from "./duration.ts";
import { defaultMetadata, resourceMetadata } from "./metadata.ts";
import { type TimeoutSettings, timeoutsMessage } from "./route-settings.ts";

export const OUTBOUND_DETECT_TIMEOUT_MS = 10_000;

const QUEUE = { capacity: 100, failfastTimeout: durationMessage(3_000) };

/** A Service by the name that destination resolves. */
export interface ServiceName {
  readonly name: string;
  readonly namespace: string;
  readonly port: number;
}

/** Balances over a Service's endpoints. */
export function balancer(
  service: ServiceName,
  clusterDomain: string,
  load: NonNullable<Backend_BalanceP2c["load"]>,
): Backend {
  const path = `${service.name}.${service.namespace}.svc.${clusterDomain}:${service.port}`;
  return {
    metadata: resourceMetadata({ group: "core", kind: "Service", ...service }),
    kind: { $case: "balancer", value: { discovery: { kind: { $case: "dst", value: { path } } }, load } },
    queue: QUEUE,
  };
}

/** Goes to the address the client meant. */
export function forward(metadata: Metadata, addr: TcpAddress): Backend {
  const endpoint = {
    addr,
    weight: 1,
    metricLabels: {},
    tlsIdentity: undefined,
    protocolHint: undefined,
    authorityOverride: undefined,
    http2: undefined,
    resourceRef: undefined,
  };
  return { metadata, kind: { $case: "forward", value: endpoint }, queue: QUEUE };
}

/** Goes nowhere; the filter beside it says why. */
export function invalidBackend(): Backend {
  return { metadata: defaultMetadata("invalid"), kind: undefined, queue: QUEUE };
}

/** A backend in a rule, with filters of its own. */
export interface RuleBackend<F> {
  readonly backend: Backend;
  readonly filters: F[];
  /** Absent in what is sent: the rule's timeouts hold. */
  readonly requestTimeout: undefined;
}

export function ruleBackend<F>(backend: Backend, filters: F[] = []): RuleBackend<F> {
  return { backend, filters, requestTimeout: undefined };
}

type Distribution<F> =
  | { $case: "empty"; value: Record<string, never> }
  | { $case: "firstAvailable"; value: { backends: RuleBackend<F>[] } }
  | { $case: "randomAvailable"; value: { backends: { backend: RuleBackend<F>; weight: number }[] } };

/** The one backend there is. */
export function only<F>(backend: RuleBackend<F>): { kind: Distribution<F> } {
  return { kind: { $case: "firstAvailable", value: { backends: [backend] } } };
}

/** Chance by weight. The caller makes sure that some weight is above 0. */
export function weighted<F>(backends: { backend: RuleBackend<F>; weight: number }[]): { kind: Distribution<F> } {
  return { kind: { $case: "randomAvailable", value: { backends } } };
}

export function none<F>(): { kind: Distribution<F> } {
  return { kind: { $case: "empty", value: {} } };
}

/** What a rule says besides matches, filters and backends. */
export interface RuleSettings<Retry> {
  readonly timeouts: TimeoutSettings | undefined;
  readonly retry: Retry | undefined;
  readonly allowL5dRequestHeaders: boolean;
}

type RuleTail = "requestTimeout" | "timeouts" | "allowL5dRequestHeaders";

/** The fields of a rule that settings fill. The lone request timeout is what proxies read before there were three. */
export function ruleSettings<Retry extends HttpRoute_Retry | GrpcRoute_Retry>(
  settings: RuleSettings<Retry>,
): Pick<HttpRoute_Rule, RuleTail> & { retry: Retry | undefined } {
  const { timeouts, retry, allowL5dRequestHeaders } = settings;
  const requestMs = timeouts?.requestMs;
  return {
    requestTimeout: requestMs === undefined ? undefined : durationMessage(requestMs),
    timeouts: timeouts && timeoutsMessage(timeouts),
    retry,
    allowL5dRequestHeaders,
  };
}

export type HttpFilter = HttpRoute_Rule["filters"][number];
export type GrpcFilter = GrpcRoute_Rule["filters"][number];
export type OpaqueFilter = OpaqueRoute_Rule["filters"][number];

/** Answers with a status instead of asking anybody. */
export function httpFailure(status: number, message: string): HttpFilter {
  return { kind: { $case: "failureInjector", value: { status, message, ratio: undefined } } };
}

export function grpcFailure(code: number, message: string): GrpcFilter {
  return { kind: { $case: "failureInjector", value: { code, message, ratio: undefined } } };
}

export const FORBIDDEN: OpaqueFilter = { kind: { $case: "forbidden", value: {} } };

export function invalidFilter(message: string): OpaqueFilter {
  return { kind: { $case: "invalid", value: { message } } };
}

/** Matches every HTTP request. */
export const ANY_HTTP: HttpRoute_Rule["matches"] = [
  { path: { kind: { $case: "prefix", value: "/" } }, headers: [], queryParams: [], method: undefined },
];

/** Matches every gRPC call. */
export const ANY_GRPC: GrpcRoute_Rule["matches"] = [{ rpc: { service: "", method: "" }, headers: [] }];
