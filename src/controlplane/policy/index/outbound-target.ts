import type { EgressNetwork } from "#kube/types";
import { canonicalIp, formatIp, IpNetwork } from "#net/address";
import type { TrafficSpec } from "#proto/outbound";
import { ipFromMessage, type NetworkMatch, networkMatches } from "../core/addresses.ts";
import { parseWorkloadName } from "../core/workload-name.ts";
import { BY_CLUSTER_IP, byAge, type PolicyConfig, type PolicyObjects, parseNetworks } from "./objects.ts";

/** What a client's traffic turns out to be aimed at. */
export type OutboundTarget =
  | { readonly kind: "service"; readonly namespace: string; readonly name: string; readonly port: number }
  | { readonly kind: "egress"; readonly network: EgressNetwork; readonly ip: Uint8Array; readonly port: number }
  | { readonly kind: "outside"; readonly ip: Uint8Array; readonly port: number }
  | { readonly kind: "unknown"; readonly message: string };

/** A request that makes sense; what it means changes with the cluster. */
export interface OutboundQuery {
  /** Empty when the client did not say. */
  readonly sourceNamespace: string;
  readonly address: { readonly ip: Uint8Array; readonly port: number } | undefined;
  readonly authority: { readonly host: string; readonly port: number } | undefined;
}

/** Reads a request; `error` says what was wrong with it. */
export function parseTrafficSpec(spec: TrafficSpec): { query: OutboundQuery | undefined; error: string } {
  const sourceNamespace = parseWorkloadName(spec.sourceWorkload)?.namespace ?? "";
  const bad = (error: string) => ({ query: undefined, error });
  if (spec.target?.$case === "authority") {
    const authority = parseAuthority(spec.target.value);
    if (!authority) return bad(`Cannot parse authority "${spec.target.value}": wanted name:port`);
    return { query: { sourceNamespace, address: undefined, authority }, error: "" };
  }
  if (spec.target?.$case !== "addr") return bad("Cannot look up policy: the request names no target");
  const { ip: message, port } = spec.target.value;
  const ip = ipFromMessage(message);
  if (!ip) return bad("Cannot look up policy: the target has no IP address");
  if (port < 1 || port > 65_535) return bad(`Cannot look up policy: port "${port}" must be 1 to 65535`);
  return { query: { sourceNamespace, address: { ip, port }, authority: undefined }, error: "" };
}

const DEFAULT_PORT = 80;

function parseAuthority(text: string): { host: string; port: number } | undefined {
  const match = /^([a-z0-9._-]+?)\.?(?::(\d{1,5}))?$/i.exec(text.trim());
  const port = match?.[2] === undefined ? DEFAULT_PORT : Number(match[2]);
  return match?.[1] && port >= 1 && port <= 65_535 ? { host: match[1].toLowerCase(), port } : undefined;
}

/** What a request is aimed at as the cluster stands now. */
export function resolveTarget(objects: PolicyObjects, config: PolicyConfig, query: OutboundQuery): OutboundTarget {
  if (query.authority) return fromAuthority(query.authority, config.clusterDomain);
  const { ip, port } = query.address!;
  const text = formatIp(ip);
  const [service] = objects.services.byIndex(BY_CLUSTER_IP, canonicalIp(text) ?? text);
  if (service) {
    return { kind: "service", namespace: service.metadata.namespace ?? "", name: service.metadata.name, port };
  }
  const network = egressNetworkFor(objects, config, query.sourceNamespace, ip);
  if (network) return { kind: "egress", network, ip, port };
  if (!config.clusterNetworks.some((inside) => inside.contains(ip))) return { kind: "outside", ip, port };
  return { kind: "unknown", message: `No such service: ${text}:${port}` };
}

function fromAuthority({ host, port }: { host: string; port: number }, clusterDomain: string): OutboundTarget {
  const domain = `.${clusterDomain.toLowerCase().replace(/\.$/, "")}`;
  const labels = (host.endsWith(domain) ? host.slice(0, -domain.length) : host).split(".");
  const [name = "", namespace = "", svc = ""] = labels;
  if (svc !== "svc" || !name || !namespace) return { kind: "unknown", message: `No such service: ${host}:${port}` };
  return { kind: "service", namespace, name, port };
}

/** Of the networks that hold an address: the smallest block, then the oldest. A client's own namespace hides the global one. */
function egressNetworkFor(
  objects: PolicyObjects,
  config: PolicyConfig,
  sourceNamespace: string,
  ip: Uint8Array,
): EgressNetwork | undefined {
  const own = sourceNamespace === "" ? [] : objects.egressNetworks.list(sourceNamespace);
  const candidates = own.length > 0 ? own : objects.egressNetworks.list(config.globalEgressNamespace);
  return candidates
    .map((network) => ({ network, bits: smallestBlockBits(network, config, ip) }))
    .filter(({ bits }) => bits >= 0)
    .sort((a, b) => b.bits - a.bits || byAge(a.network, b.network))[0]?.network;
}

/** The longest prefix that holds the address; -1 when none does. */
function smallestBlockBits({ spec }: EgressNetwork, config: PolicyConfig, ip: Uint8Array): number {
  const networks = spec.networks ? (parseNetworks(spec.networks, IpNetwork.parse) ?? []) : outsideOf(config);
  return Math.max(-1, ...networks.filter((one) => networkMatches(one, ip)).map(({ net }) => net.prefixLength));
}

/** Everything but the cluster. */
function outsideOf({ clusterNetworks }: PolicyConfig): NetworkMatch[] {
  return ["0.0.0.0/0", "::/0"].map((block) => ({ net: IpNetwork.parse(block)!, except: clusterNetworks }));
}
