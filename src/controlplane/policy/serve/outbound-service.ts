import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { MetricsRegistry } from "#lib/metrics";
import { formatIp } from "#net/address";
import { GRPC_STATUS, GrpcError, type GrpcMethod, serverStream, unary } from "#net/grpc-server";
import { OutboundPolicy, TrafficSpec } from "#proto/outbound";
import { type PolicyConfig, type PolicyObjects, serviceKey } from "../index/objects.ts";
import { type OutboundAnswer, outboundPolicy } from "../index/outbound-policy.ts";
import { type OutboundQuery, parseTrafficSpec } from "../index/outbound-target.ts";
import { Topics } from "./topics.ts";

type Detail = Pick<OutboundAnswer, "target" | "hasRoutes">;

const SERVICE = "/io.linkerd.proxy.outbound.OutboundPolicies";
const MAX_REMEMBERED_WARNINGS = 1_000; // each is logged once while it is remembered

/** Tells proxies how to treat what their workload sends. */
export class OutboundService {
  readonly #objects: PolicyObjects;
  readonly #config: PolicyConfig;
  readonly #log: Log;
  readonly #topics: Topics<OutboundQuery, Detail>;
  readonly #warned = new Set<string>();

  constructor(objects: PolicyObjects, config: PolicyConfig, clock: Clock, metrics: MetricsRegistry, log: Log) {
    this.#objects = objects;
    this.#config = config;
    this.#log = log;
    this.#topics = new Topics({
      compute: (query) => {
        const { policy, target, hasRoutes } = this.#answer(query);
        const message = target.kind === "unknown" ? target.message : "";
        const bytes = policy && OutboundPolicy.encode(policy).finish();
        return { bytes, end: { code: GRPC_STATUS.NOT_FOUND, message }, detail: { target, hasRoutes } };
      },
      clock,
      updates: metrics.counter("outbound_index_updates_total", "Outbound policies that changed").series(),
      topicCount: metrics.gauge("outbound_index_targets", "Targets whose policy is being watched").series(),
    });
  }

  readonly methods: readonly GrpcMethod[] = [
    unary(`${SERVICE}/Get`, TrafficSpec, OutboundPolicy, (spec) => {
      const { policy, target } = this.#answer(queryOf(spec));
      if (policy) return policy;
      throw new GrpcError(GRPC_STATUS.NOT_FOUND, target.kind === "unknown" ? target.message : "No such service");
    }),
    serverStream(`${SERVICE}/Watch`, TrafficSpec, (spec, stream) => {
      const query = queryOf(spec);
      this.#topics.subscribe(topicKey(query), query, stream);
    }),
  ];

  /** Ports or annotations of a Service changed. */
  serviceChanged(namespace: string, name: string): void {
    this.#topics.invalidate((_query, { target }) => isService(target, namespace, name));
  }

  /** A Service came, went or changed its address: names, addresses and backends may mean something else now. */
  serviceAppearedOrLeft(namespace: string, name: string): void {
    this.#topics.invalidate(
      (_query, { target, hasRoutes }) => hasRoutes || target.kind !== "service" || isService(target, namespace, name),
    );
  }

  /** A route changed; `parents` are the keys it names now or named before. */
  routeChanged(parents: readonly string[]): void {
    const isParent = new Set(parents);
    this.#topics.invalidate(
      (_query, { target }) =>
        target.kind === "egress" ||
        (target.kind === "service" && isParent.has(serviceKey(target.namespace, target.name))),
    );
  }

  /** An egress network changed. */
  egressChanged(): void {
    this.#topics.invalidate((_query, { target }) => target.kind !== "service");
  }

  #answer(query: OutboundQuery): OutboundAnswer {
    const answer = outboundPolicy(this.#objects, this.#config, query);
    for (const warning of answer.warnings) this.#warnOnce(warning);
    return answer;
  }

  #warnOnce(warning: string): void {
    if (this.#warned.has(warning)) return;
    if (this.#warned.size >= MAX_REMEMBERED_WARNINGS) this.#warned.clear();
    this.#warned.add(warning);
    this.#log.warn(warning);
  }
}

function isService(target: Detail["target"], namespace: string, name: string): boolean {
  return target.kind === "service" && target.namespace === namespace && target.name === name;
}

function queryOf(spec: TrafficSpec): OutboundQuery {
  const { query, error } = parseTrafficSpec(spec);
  if (!query) throw new GrpcError(GRPC_STATUS.INVALID_ARGUMENT, error);
  return query;
}

/** Pods of one namespace that aim at one thing share a topic. */
function topicKey({ sourceNamespace, address, authority }: OutboundQuery): string {
  const target = address ? `${formatIp(address.ip)} ${address.port}` : `${authority?.host} ${authority?.port}`;
  return `${sourceNamespace} ${target}`;
}
