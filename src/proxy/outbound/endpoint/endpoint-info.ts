import { formatAddress, type SocketAddress } from "#net/address";
import type { WeightedAddr } from "#proto/destination";
import { readAddress } from "../../route/wire-values.ts";

/** One peer as discovery describes it. Never changes: a change is a new one. */
export interface EndpointInfo {
  readonly address: SocketAddress;
  /** Who the peer must prove to be; undefined is plaintext. */
  readonly identity: { readonly id: string; readonly serverName: string } | undefined;
  readonly hint: "http2" | "opaque" | "unknown";
  /** The peer proxy's own port: dial it and name the port in a transport header. */
  readonly transportPort: number | undefined;
  /** A multicluster gateway's target. */
  readonly authority: { readonly text: string; readonly host: string; readonly port: number | undefined } | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Equal for equal descriptions. */
  readonly fingerprint: string;
}

/** Reads an endpoint; undefined when it has no address. Labels of the set apply where the endpoint has none. */
export function readEndpoint(
  addr: WeightedAddr,
  setLabels: Readonly<Record<string, string>>,
): EndpointInfo | undefined {
  const address = readAddress(addr.addr);
  if (!address) return undefined;
  const inboundPort = addr.protocolHint?.opaqueTransport?.inboundPort ?? 0;
  const info = {
    address,
    identity: readIdentity(addr),
    hint: readHint(addr),
    transportPort: inboundPort > 0 && inboundPort < 65535 ? inboundPort : undefined,
    authority: readAuthority(addr.authorityOverride?.authorityOverride),
    labels: { ...setLabels, ...addr.metricLabels },
  };
  return { ...info, fingerprint: JSON.stringify(info) };
}

/** An endpoint of which only the address is known. */
export function plainEndpoint(address: SocketAddress): EndpointInfo {
  return {
    address,
    identity: undefined,
    hint: "unknown",
    transportPort: undefined,
    authority: undefined,
    labels: {},
    fingerprint: formatAddress(address),
  };
}

function readIdentity(addr: WeightedAddr): EndpointInfo["identity"] {
  const strategy = addr.tlsIdentity?.strategy;
  if (!strategy) return undefined;
  const serverName = addr.tlsIdentity?.serverName?.name.toLowerCase();
  if (strategy.$case === "uriLikeIdentity") {
    return serverName ? { id: strategy.value.uri, serverName } : undefined;
  }
  const id = strategy.value.name.toLowerCase();
  return { id, serverName: serverName || id };
}

function readHint(addr: WeightedAddr): EndpointInfo["hint"] {
  const protocol = addr.protocolHint?.protocol?.$case;
  return protocol === "h2" ? "http2" : protocol === "opaque" ? "opaque" : "unknown";
}

function readAuthority(text: string | undefined): EndpointInfo["authority"] {
  const match = /^([^:/\s]+)(?::(\d{1,5}))?$/.exec(text ?? "");
  if (!match) return undefined;
  return { text: match[0], host: match[1], port: match[2] === undefined ? undefined : Number(match[2]) };
}
