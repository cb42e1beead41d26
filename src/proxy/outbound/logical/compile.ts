import type { BackoffOptions } from "#lib/backoff";
import type { Duration } from "#proto/google/protobuf/duration";
import type { Timeouts as ProtoTimeouts } from "#proto/http_route";
import type {
  Backend,
  ExponentialBackoff,
  FailureAccrual,
  GrpcRoute,
  HttpRoute,
  OpaqueRoute,
  OutboundPolicy,
  ProxyProtocol,
  TlsRoute,
} from "#proto/outbound";
import { readRetry } from "../../retry/policy.ts";
import { compileFilters } from "../../route/filters.ts";
import { defaultRef, type MetaRef, readMetadata } from "../../route/metadata.ts";
import { compileGrpcMatches, compileHttpMatches } from "../../route/request-match.ts";
import { RouteTable, type RuleEntry } from "../../route/route-table.ts";
import { readDuration } from "../../route/wire-values.ts";
import type { LoadOptions } from "../concrete/concrete.ts";
import type { AccrualOptions, HttpConcrete } from "../concrete/http-concrete.ts";
import type { TcpConcrete } from "../concrete/tcp-concrete.ts";
import { type EndpointInfo, readEndpoint } from "../endpoint/endpoint-info.ts";
import type { ClientPolicy, Distribution, HttpRule, RouteBackend, TcpRule, Timeouts, TlsRule } from "./policy.ts";

/** Where a backend's traffic goes, as read. `key` is equal for equal descriptions. */
export interface BackendSpec {
  readonly key: string;
  readonly ref: MetaRef;
  /** A name whose endpoints the destination service knows, or one fixed endpoint. */
  readonly target: { readonly path: string } | { readonly endpoint: EndpointInfo };
  readonly load: LoadOptions;
}

/** Gives the concretes of one destination; the same for the same description. */
export interface Concretes {
  http(spec: BackendSpec, accrual: AccrualOptions | undefined): HttpConcrete;
  tcp(spec: BackendSpec): TcpConcrete;
}

/** Turns the control plane's message into a policy. What cannot be followed becomes one that refuses everything. */
export function compileOutbound(policy: OutboundPolicy, concretes: Concretes): ClientPolicy {
  try {
    return compile(policy, concretes);
  } catch (cause) {
    return invalidPolicy(`invalid client policy: ${(cause as Error).message}`);
  }
}

/** For destinations that the control plane has no policy for: everything goes to one endpoint. */
export function forwardPolicy(
  endpoint: EndpointInfo,
  name: "endpoint" | "fallback",
  concretes: Concretes,
): ClientPolicy {
  const ref = defaultRef(name);
  const spec: BackendSpec = { key: `forward ${endpoint.fingerprint}`, ref, target: { endpoint }, load: DEFAULT_LOAD };
  return simplePolicy(ref, { http: concretes.http(spec, undefined), tcp: concretes.tcp(spec) });
}

/** One route that takes everything to one backend. */
function simplePolicy(ref: MetaRef, concrete: { http: HttpConcrete; tcp: TcpConcrete }): ClientPolicy {
  const backend = { ref, filters: compileFilters([]), refusal: undefined };
  const rule: HttpRule = {
    route: ref,
    isGrpc: false,
    filters: compileFilters([]),
    distribution: { kind: "first", backends: [{ ...backend, concrete: concrete.http }], weightSums: [] },
    timeouts: NO_TIMEOUTS,
    retry: undefined,
    prefix: undefined,
    profileLabels: undefined,
  };
  const table = new RouteTable([{ matches: compileHttpMatches([], []), rule }]);
  return {
    protocol: "detect",
    parent: ref,
    http1: table,
    http2: table,
    opaque: {
      route: ref,
      refusal: undefined,
      distribution: { kind: "first", backends: [{ ...backend, concrete: concrete.tcp }], weightSums: [] },
    },
    tls: [],
    invalid: undefined,
  };
}

export function invalidPolicy(reason: string): ClientPolicy {
  const nothing = new RouteTable<HttpRule>([]);
  return {
    protocol: "detect",
    parent: defaultRef("invalid"),
    http1: nothing,
    http2: nothing,
    opaque: { route: defaultRef("invalid"), refusal: reason, distribution: EMPTY },
    tls: [],
    invalid: reason,
  };
}

function compile(policy: OutboundPolicy, concretes: Concretes): ClientPolicy {
  const parent = required(readMetadata(policy.metadata), "the policy's metadata");
  const kind = required(policy.protocol?.kind, "the policy's protocol");
  const base = {
    protocol: kind.$case,
    parent,
    http1: undefined,
    http2: undefined,
    opaque: undefined,
    tls: [],
    invalid: undefined,
  };
  return { ...base, ...compileKind(kind, concretes) };
}

function compileKind(kind: NonNullable<ProxyProtocol["kind"]>, concretes: Concretes): Partial<ClientPolicy> {
  switch (kind.$case) {
    case "detect": {
      const http1 = required(kind.value.http1, "detect.http1");
      const http2 = required(kind.value.http2, "detect.http2");
      const { opaque } = kind.value;
      const table = httpTable(http1, concretes);
      return {
        http1: table,
        http2: Bun.deepEquals(http1, http2) ? table : httpTable(http2, concretes), // nearly always they say the same
        opaque: tcpRule(required(opaque, "detect.opaque").routes, concretes),
      };
    }
    case "http1":
      return { http1: httpTable(kind.value, concretes) };
    case "http2":
      return { http2: httpTable(kind.value, concretes) };
    case "grpc": {
      const accrual = readAccrual(kind.value.failureAccrual);
      const table = new RouteTable(kind.value.routes.flatMap((route) => grpcRules(route, accrual, concretes)));
      return { http1: table, http2: table };
    }
    case "opaque":
      return { opaque: tcpRule(kind.value.routes, concretes) };
    case "tls":
      return { tls: kind.value.routes.flatMap((route) => tlsRules(route, concretes)).sort((a, b) => b.rank - a.rank) };
  }
}

function httpTable(
  http: { routes: readonly HttpRoute[]; failureAccrual: FailureAccrual | undefined },
  concretes: Concretes,
): RouteTable<HttpRule> {
  const accrual = readAccrual(http.failureAccrual);
  return new RouteTable(http.routes.flatMap((route) => httpRules(route, accrual, concretes)));
}

function httpRules(route: HttpRoute, accrual: AccrualOptions | undefined, concretes: Concretes): RuleEntry<HttpRule>[] {
  const ref = required(readMetadata(route.metadata), "a route's metadata");
  return route.rules.flatMap((rule) => {
    const compiled = {
      route: ref,
      isGrpc: false,
      filters: compileFilters(rule.filters),
      distribution: distribution(rule.backends?.kind, (spec) => concretes.http(spec, accrual)),
      timeouts: readTimeouts(rule.timeouts, rule.requestTimeout),
      retry: readRetry(rule.retry),
      profileLabels: undefined,
    };
    // Each match keeps its own prefix, which a redirect may replace.
    const matches = rule.matches.length > 0 ? rule.matches.map((match) => [match]) : [[]];
    return matches.map((one) => {
      const path = one[0]?.path?.kind;
      const prefix = path?.$case === "prefix" ? path.value : undefined;
      return { matches: compileHttpMatches(route.hosts, one), rule: { ...compiled, prefix } };
    });
  });
}

function grpcRules(route: GrpcRoute, accrual: AccrualOptions | undefined, concretes: Concretes): RuleEntry<HttpRule>[] {
  const ref = required(readMetadata(route.metadata), "a route's metadata");
  return route.rules.map((rule) => ({
    matches: compileGrpcMatches(route.hosts, rule.matches),
    rule: {
      route: ref,
      isGrpc: true,
      filters: compileFilters(rule.filters),
      distribution: distribution(rule.backends?.kind, (spec) => concretes.http(spec, accrual)),
      timeouts: readTimeouts(rule.timeouts, rule.requestTimeout),
      retry: readRetry(rule.retry),
      prefix: undefined,
      profileLabels: undefined,
    },
  }));
}

function tcpRule(routes: readonly (OpaqueRoute | TlsRoute)[], concretes: Concretes): TcpRule | undefined {
  const route = routes[0];
  if (!route) return undefined;
  const rule = route.rules[0];
  if (!rule) throw new Error("an opaque route has no rule");
  const backends = distribution(rule.backends?.kind, (spec) => concretes.tcp(spec));
  if (backends.kind === "first" && backends.backends.length > 1) {
    for (const { concrete } of backends.backends) concrete?.watch();
  }
  return {
    route: required(readMetadata(route.metadata), "a route's metadata"),
    refusal: refusalOf(rule.filters),
    distribution: backends,
  };
}

function tlsRules(route: TlsRoute, concretes: Concretes): TlsRule[] {
  const rule = tcpRule([route], concretes);
  if (!rule) return [];
  if (route.snis.length === 0) return [{ ...rule, matches: () => true, rank: 0 }];
  return route.snis.map(({ match }) => {
    if (match?.$case === "exact") return { ...rule, matches: (sni: string) => sni === match.value, rank: 1_000_000 };
    const suffix = `.${[...(match?.value.reverseLabels ?? [])].reverse().join(".")}`;
    return { ...rule, matches: (sni: string) => sni.endsWith(suffix), rank: suffix.length };
  });
}

function refusalOf(
  filters: readonly { kind: { $case: "invalid"; value: { message: string } } | { $case: "forbidden" } | undefined }[],
): string | undefined {
  const kind = filters[0]?.kind;
  if (!kind) return undefined;
  return kind.$case === "forbidden" ? "forbidden by policy" : `invalid: ${kind.value.message}`;
}

interface ProtoRouteBackend {
  readonly backend: Backend | undefined;
  readonly filters: readonly unknown[];
}

type ProtoDistribution =
  | { readonly $case: "empty" }
  | { readonly $case: "firstAvailable"; readonly value: { readonly backends: readonly ProtoRouteBackend[] } }
  | {
      readonly $case: "randomAvailable";
      readonly value: {
        readonly backends: readonly { readonly backend: ProtoRouteBackend | undefined; readonly weight: number }[];
      };
    }
  | undefined;

function distribution<C>(kind: ProtoDistribution, concrete: (spec: BackendSpec) => C): Distribution<C> {
  if (!kind) throw new Error("a rule has no distribution");
  if (kind.$case === "empty") return EMPTY;
  if (kind.$case === "firstAvailable") {
    const backends = kind.value.backends.map((backend) => routeBackend(backend, concrete));
    if (backends.length === 0) throw new Error("a distribution has no backends");
    return { kind: "first", backends, weightSums: [] };
  }
  // Weight 0 takes nothing; when all are 0 there is nowhere to go, which Linkerd's proxy cannot express.
  const weighted = kind.value.backends.filter(({ weight }) => weight > 0);
  if (weighted.length === 0) return EMPTY;
  let sum = 0;
  const weightSums = weighted.map(({ weight }) => (sum += weight));
  const backends = weighted.map(({ backend }) => routeBackend(required(backend, "a weighted backend"), concrete));
  return { kind: "random", backends, weightSums };
}

function routeBackend<C>(route: ProtoRouteBackend, concrete: (spec: BackendSpec) => C): RouteBackend<C> {
  const backend = required(route.backend, "a route's backend");
  const ref = required(readMetadata(backend.metadata), "a backend's metadata");
  const isTcp = route.filters.some((filter) => /^(invalid|forbidden)$/.test(caseOf(filter)));
  const spec = readBackend(backend, ref);
  return {
    ref,
    filters: isTcp ? compileFilters([]) : compileFilters(route.filters as Parameters<typeof compileFilters>[0]),
    refusal: isTcp ? refusalOf(route.filters as Parameters<typeof refusalOf>[0]) : undefined,
    concrete: spec && concrete(spec),
  };
}

function caseOf(filter: unknown): string {
  return (filter as { kind?: { $case: string } }).kind?.$case ?? "";
}

function readBackend(backend: Backend, ref: MetaRef): BackendSpec | undefined {
  const { kind } = backend;
  if (!kind) return undefined;
  if (kind.$case === "forward") {
    const endpoint = required(readEndpoint(kind.value, {}), "a forward backend's address");
    return { key: `forward ${endpoint.fingerprint}`, ref, target: { endpoint }, load: DEFAULT_LOAD };
  }
  const path = required(kind.value.discovery?.kind?.value.path, "a balancer's discovery");
  const load = required(kind.value.load?.value, "a balancer's load");
  const options = {
    defaultRttMs: Math.max(1, readDuration(load.defaultRtt) ?? DEFAULT_LOAD.defaultRttMs),
    decayMs: readDuration(load.decay) || DEFAULT_LOAD.decayMs,
  };
  return { key: `${path} ${options.defaultRttMs} ${options.decayMs}`, ref, target: { path }, load: options };
}

function readAccrual(accrual: FailureAccrual | undefined): AccrualOptions | undefined {
  const kind = accrual?.kind;
  if (!accrual) return undefined;
  if (!kind) throw new Error("failure accrual has no kind");
  const maxFailures = kind.$case === "unified" ? kind.value.maxConsecutiveFailures : kind.value.maxFailures;
  return { maxFailures, backoff: readBackoff(kind.value.backoff) };
}

function readBackoff(backoff: ExponentialBackoff | undefined): BackoffOptions {
  const minMs = required(readDuration(backoff?.minBackoff), "a backoff's minimum");
  const maxMs = required(readDuration(backoff?.maxBackoff), "a backoff's maximum");
  if (minMs > maxMs || maxMs === 0) throw new Error(`a backoff runs from ${minMs} ms to ${maxMs} ms`);
  return { minMs, maxMs, jitter: backoff?.jitterRatio ?? 0 };
}

function readTimeouts(timeouts: ProtoTimeouts | undefined, requestTimeout: Duration | undefined): Timeouts {
  return {
    requestMs: readDuration(timeouts?.request) ?? readDuration(requestTimeout) ?? 0,
    responseMs: readDuration(timeouts?.response) ?? 0,
    idleMs: readDuration(timeouts?.idle) ?? 0,
  };
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing`);
  return value;
}

const EMPTY: Distribution<never> = { kind: "empty", backends: [], weightSums: [] };
/** No limits. */
export const NO_TIMEOUTS: Timeouts = { requestMs: 0, responseMs: 0, idleMs: 0 };
/** What the control plane and Linkerd's proxy take where nothing is said. */
export const DEFAULT_LOAD: LoadOptions = { defaultRttMs: 30, decayMs: 10_000 };
