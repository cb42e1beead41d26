import { type Server, selectorMatches } from "#kube/types";
import type { Server as ServerMessage } from "#proto/inbound";
import { networkMessage } from "../core/addresses.ts";
import { defaultAuthorizations } from "../core/authorization.ts";
import { isProxyProtocol, type PortRoutes, type ProxyProtocolName, protocolMessage } from "../core/inbound.ts";
import { clusterNetworks, serverAuthorizations } from "./inbound-authorizations.ts";
import { serverGrpcRoutes, serverHttpRoutes, serverRateLimit } from "./inbound-routes.ts";
import { findWorkload, type InboundWorkload, portDefaults, type WorkloadRef } from "./inbound-workload.ts";
import { byAge, type PolicyConfig, type PolicyObjects } from "./objects.ts";

/** The policy of one port of a workload; undefined when there is no such workload. */
export function inboundServer(
  objects: PolicyObjects,
  config: PolicyConfig,
  ref: WorkloadRef,
  port: number,
): ServerMessage | undefined {
  const workload = findWorkload(objects, ref);
  if (!workload) return undefined;
  const server = selectServer(objects, workload, port);
  return server ? fromServer(objects, config, workload, server, port) : fromDefaults(config, workload, port);
}

/** Of the Servers that select the port, the oldest: a new one must not take traffic away from one in force. */
function selectServer(objects: PolicyObjects, workload: InboundWorkload, port: number): Server | undefined {
  return objects.servers
    .list(workload.namespace)
    .filter((server) => protocolOf(server) !== undefined && selects(server, workload, port))
    .sort(byAge)[0];
}

function selects({ spec }: Server, workload: InboundWorkload, port: number): boolean {
  const selector = workload.kind === "pod" ? spec.podSelector : spec.externalWorkloadSelector;
  if (!selectorMatches(selector, workload.labels)) return false;
  return typeof spec.port === "number" ? spec.port === port : portsOf(spec.port, workload).includes(port);
}

/** A number may also come as text. */
function portsOf(port: string, workload: InboundWorkload): readonly number[] {
  return /^\d+$/.test(port) ? [Number(port)] : workload.portsNamed(port);
}

/** Undefined for a protocol that nobody knows: such a Server is not there. */
function protocolOf({ spec: { proxyProtocol = "unknown" } }: Server): ProxyProtocolName | undefined {
  return isProxyProtocol(proxyProtocol) ? proxyProtocol : undefined;
}

function fromServer(
  objects: PolicyObjects,
  config: PolicyConfig,
  workload: InboundWorkload,
  server: Server,
  port: number,
): ServerMessage {
  return {
    protocol: protocolMessage(protocolOf(server) ?? "unknown", {
      http: serverHttpRoutes(objects, config, server),
      grpc: serverGrpcRoutes(objects, config, server),
      rateLimit: serverRateLimit(objects, config, server),
      ...probes(config, workload, port),
    }),
    serverIps: [],
    authorizations: serverAuthorizations(objects, config, server),
    labels: { group: "policy.linkerd.io", kind: "server", name: server.metadata.name },
  };
}

function fromDefaults(config: PolicyConfig, workload: InboundWorkload, port: number): ServerMessage {
  const { policy, isOpaque } = portDefaults(workload, port, config.defaultPolicy);
  const routes: PortRoutes = { http: [], grpc: [], rateLimit: undefined, ...probes(config, workload, port) };
  return {
    protocol: protocolMessage(isOpaque ? "opaque" : "unknown", routes),
    serverIps: [],
    authorizations: defaultAuthorizations(policy, clusterNetworks(config)),
    labels: { group: "", kind: "default", name: policy },
  };
}

function probes(
  config: PolicyConfig,
  workload: InboundWorkload,
  port: number,
): Pick<PortRoutes, "probePaths" | "probeNetworks"> {
  const probeNetworks = config.probeNetworks.map((net) => networkMessage({ net, except: [] }));
  return { probePaths: workload.probePaths(port), probeNetworks };
}
