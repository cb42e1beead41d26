import type { IpNetwork } from "#net/address";
import type { MetaLabels } from "../route/metadata.ts";

/** Who is at the other end of an inbound connection. Read once per connection. */
export interface InboundClient {
  readonly ip: Uint8Array;
  /** Mesh TLS was terminated here. */
  readonly isTls: boolean;
  /** The identity its certificate proves; undefined without one. */
  readonly id: string | undefined;
}

export interface AuthorizedNetwork {
  readonly network: IpNetwork;
  readonly except: readonly IpNetwork[];
}

/** What a client must prove. Suffixes begin with a dot; the empty suffix is every DNS identity. */
export type Authentication =
  | { readonly kind: "none" }
  | { readonly kind: "tls" }
  | { readonly kind: "identity"; readonly identities: ReadonlySet<string>; readonly suffixes: readonly string[] };

/** One grant of a policy: from these networks, with this proof. */
export interface Authorization {
  readonly networks: readonly AuthorizedNetwork[];
  readonly authentication: Authentication;
  readonly meta: MetaLabels;
}

/** The first grant that fits, in the order given; undefined is a refusal. */
export function authorize(grants: readonly Authorization[], client: InboundClient): Authorization | undefined {
  for (const grant of grants) {
    if (isFrom(grant.networks, client.ip) && isProven(grant.authentication, client)) return grant;
  }
  return undefined;
}

function isFrom(networks: readonly AuthorizedNetwork[], ip: Uint8Array): boolean {
  for (const { network, except } of networks) {
    if (network.contains(ip) && !except.some((hole) => hole.contains(ip))) return true;
  }
  return false;
}

function isProven(authentication: Authentication, client: InboundClient): boolean {
  if (authentication.kind === "none") return true;
  if (!client.isTls) return false;
  if (authentication.kind === "tls") return true;
  const id = client.id;
  if (id === undefined) return false;
  if (authentication.identities.has(id)) return true;
  return !isUri(id) && authentication.suffixes.some((suffix) => suffix === "" || id.endsWith(suffix));
}

/** SPIFFE names only ever match exactly. */
function isUri(id: string): boolean {
  return id.includes("://");
}
