import { identityName } from "#contracts/identity-name";
import type { CertificateRequest } from "#x509";

/** Who a token was issued to. */
export interface ServiceAccountName {
  readonly name: string;
  readonly namespace: string;
}

export interface TrustDomain {
  readonly controlPlaneNs: string;
  readonly trustDomain: string;
}

/** Reads `system:serviceaccount:<namespace>:<name>`; undefined for users, nodes and names that no label could hold. */
export function parseServiceAccount(username: string): ServiceAccountName | undefined {
  const [system, type, namespace, name, ...rest] = username.split(":");
  if (system !== "system" || type !== "serviceaccount" || rest.length > 0) return undefined;
  if (!isDnsLabel(namespace) || !isDnsLabel(name)) return undefined; // dots would blur who is who in the identity
  return { name, namespace };
}

/** The identity a ServiceAccount may ask for. */
export function identityOf(account: ServiceAccountName, domain: TrustDomain): string {
  return identityName({ serviceAccount: account.name, namespace: account.namespace, ...domain });
}

/**
 * Why a request does not ask for exactly `identity` and nothing else; undefined when it does.
 * The common name may be empty; anything more than the one DNS name would be certified unseen.
 */
export function requestError(request: CertificateRequest, identity: string): string | undefined {
  const { dnsNames, uris, otherNameCount, commonName, hasOtherSubject } = request;
  if (dnsNames.length !== 1 || dnsNames[0] !== identity) {
    return `its DNS names are ${quote(dnsNames)}; wanted only "${identity}"`;
  }
  if (uris.length > 0 || otherNameCount > 0) return "it has names other than DNS names";
  if (hasOtherSubject) return "its subject holds more than a common name";
  if (commonName && commonName !== identity) return `its common name is "${commonName}"; wanted "${identity}" or none`;
  return undefined;
}

export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** When a certificate issued now holds: the lifetime, widened by clock skew, never beyond its issuers. Whole seconds, as X.509 keeps them. */
export function validityAt(nowMs: number, lifetimeMs: number, skewMs: number, issuerNotAfterMs: number): Validity {
  const notAfterMs = Math.min(nowMs + lifetimeMs + skewMs, issuerNotAfterMs);
  return { notBeforeMs: wholeSeconds(nowMs - skewMs), notAfterMs: wholeSeconds(notAfterMs) };
}

function wholeSeconds(atMs: number): number {
  return Math.floor(atMs / 1000) * 1000;
}

function isDnsLabel(text: string | undefined): text is string {
  return text !== undefined && text.length <= 63 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);
}

function quote(names: readonly string[]): string {
  return names.length === 0
    ? "absent"
    : names
        .slice(0, 3)
        .map((name) => JSON.stringify(name.slice(0, 253)))
        .join(", ");
}

/** Why a trust domain cannot be one; undefined when it can. */
export function trustDomainError(trustDomain: string): string | undefined {
  const isName = trustDomain.length <= 253 && trustDomain.split(".").every(isDnsLabel);
  return isName ? undefined : `Cannot use trust domain "${trustDomain}": wanted a DNS name like cluster.local`;
}
