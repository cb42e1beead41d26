import type { Labels } from "#lib/metrics";
import { formatAddress, type SocketAddress } from "#net/address";
import type { MetaLabels } from "../route/metadata.ts";

/** Why a connection carries no mesh TLS. */
export type NoTlsReason =
  | "loopback"
  | "port_skipped"
  | "no_tls_from_remote"
  | "not_provided_by_service_discovery"
  | "ingress_without_override";

/** The TLS state of a connection. */
export type TlsState =
  | { readonly kind: "mesh"; readonly peerId: string | undefined }
  | { readonly kind: "none"; readonly reason: NoTlsReason }
  | { readonly kind: "passthrough"; readonly sni: string };

/** `tls="true",client_id=…` and so on; `peer` says whether the other end is our client or our server. */
export function tlsLabels(state: TlsState, peer: "client" | "server"): Labels {
  if (state.kind === "mesh") return state.peerId ? { tls: "true", [`${peer}_id`]: state.peerId } : { tls: "true" };
  if (state.kind === "none") return { tls: "no_identity", no_tls_reason: state.reason };
  return { tls: "opaque", sni: state.sni };
}

export function targetLabels(target: SocketAddress): Labels {
  return { target_addr: formatAddress(target), target_ip: target.ip, target_port: target.port };
}

/** `srv_group`, `route_kind` and so on. */
export function metaLabels(prefix: "srv" | "route" | "authz", meta: MetaLabels): Labels {
  return { [`${prefix}_group`]: meta.group, [`${prefix}_kind`]: meta.kind, [`${prefix}_name`]: meta.name };
}
