import type { Clock } from "#lib/clock";
import type { MetricsRegistry } from "#lib/metrics";
import { GRPC_STATUS, GrpcError, type GrpcMethod, serverStream, unary } from "#net/grpc-server";
import { PortSpec, Server } from "#proto/inbound";
import { parseWorkloadName, type WorkloadName } from "../core/workload-name.ts";
import { inboundServer } from "../index/inbound-server.ts";
import type { PolicyConfig, PolicyObjects } from "../index/objects.ts";
import { Topics } from "./topics.ts";

/** One port of one workload. */
export interface InboundQuery {
  readonly workload: WorkloadName;
  readonly port: number;
}

const SERVICE = "/io.linkerd.proxy.inbound.InboundServerPolicies";

/** Tells proxies what their workload's ports speak and who may call them. */
export class InboundService {
  readonly #objects: PolicyObjects;
  readonly #config: PolicyConfig;
  readonly #topics: Topics<InboundQuery, undefined>;

  constructor(objects: PolicyObjects, config: PolicyConfig, clock: Clock, metrics: MetricsRegistry) {
    this.#objects = objects;
    this.#config = config;
    this.#topics = new Topics({
      compute: ({ workload, port }) => {
        const server = inboundServer(objects, config, workload, port);
        const end = { code: GRPC_STATUS.OK, message: "" }; // a pod that is gone needs no policy
        return { bytes: server && Server.encode(server).finish(), end, detail: undefined };
      },
      clock,
      updates: metrics.counter("inbound_index_updates_total", "Inbound policies that changed").series(),
      topicCount: metrics.gauge("inbound_index_ports", "Ports whose policy is being watched").series(),
    });
  }

  readonly methods: readonly GrpcMethod[] = [
    unary(`${SERVICE}/GetPort`, PortSpec, Server, (spec) => {
      const { workload, port } = parseSpec(spec);
      return inboundServer(this.#objects, this.#config, workload, port) ?? unknownServer(spec);
    }),
    serverStream(`${SERVICE}/WatchPort`, PortSpec, (spec, stream) => {
      const query = parseSpec(spec);
      const { kind, namespace, name } = query.workload;
      if (!inboundServer(this.#objects, this.#config, query.workload, query.port)) unknownServer(spec);
      this.#topics.subscribe(`${kind}/${namespace}/${name}/${query.port}`, query, stream);
    }),
  ];

  /** One workload changed. */
  workloadChanged(namespace: string, name: string): void {
    this.#topics.invalidate(({ workload }) => workload.namespace === namespace && workload.name === name);
  }

  /** Something that only counts inside its namespace changed. */
  namespaceChanged(namespace: string): void {
    this.#topics.invalidate(({ workload }) => workload.namespace === namespace);
  }

  /** Something changed that any namespace may refer to. */
  everythingChanged(): void {
    this.#topics.invalidate();
  }
}

function parseSpec({ workload: text, port }: PortSpec): InboundQuery {
  const workload = parseWorkloadName(text);
  if (!workload) {
    const wanted = 'wanted {"ns":"…","pod":"…"} or namespace:pod';
    throw new GrpcError(GRPC_STATUS.INVALID_ARGUMENT, `Cannot parse workload "${text.slice(0, 200)}": ${wanted}`);
  }
  if (port < 1 || port > 65_535) {
    throw new GrpcError(GRPC_STATUS.INVALID_ARGUMENT, `Cannot look up port "${port}": must be 1 to 65535`);
  }
  return { workload, port };
}

function unknownServer({ workload, port }: PortSpec): never {
  throw new GrpcError(GRPC_STATUS.NOT_FOUND, `Unknown server: port ${port} of ${workload}`);
}
