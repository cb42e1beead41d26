import { X509Certificate } from "node:crypto";
import { namesInSubjectAltName } from "#net/tls-identity";

/** A certificate chain as the identity service issued it. */
export interface Certificate {
  /** PEM, leaf first. */
  readonly chainPem: string;
  readonly expiresAtMs: number;
}

/** Joins DER certificates into PEM, in the order given. */
export function pemOfDer(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => new X509Certificate(der).toString()).join("");
}

/** What is wrong with a certificate we are to use ourselves; undefined when nothing is. */
export function checkCertificate(
  certificate: Certificate,
  name: string,
  trustRootsPem: string,
  nowMs: number,
): string | undefined {
  const chain = splitPem(certificate.chainPem).map((pem) => new X509Certificate(pem));
  const leaf = chain[0];
  if (!leaf) return "The identity service sent no certificate";
  if (certificate.expiresAtMs <= nowMs || leaf.validToDate.getTime() <= nowMs) {
    return `The identity service sent a certificate that expired at ${leaf.validTo}`;
  }
  const names = namesInSubjectAltName(leaf.subjectAltName);
  if (!names.includes(name)) return `The identity service certified "${names.join(", ")}", wanted "${name}"`;
  const roots = splitPem(trustRootsPem).map((pem) => new X509Certificate(pem));
  return leadsToRoot(leaf, chain.slice(1), roots)
    ? undefined
    : "The identity service's certificate does not lead to any trust anchor: check that the issuer is signed by them";
}

function leadsToRoot(leaf: X509Certificate, intermediates: X509Certificate[], roots: X509Certificate[]): boolean {
  let current = leaf;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (roots.some((root) => current.checkIssued(root) && current.verify(root.publicKey))) return true;
    if (roots.some((root) => root.fingerprint256 === current.fingerprint256)) return true;
    const next = intermediates.find(
      (issuer) => issuer !== current && current.checkIssued(issuer) && current.verify(issuer.publicKey),
    );
    if (!next) return false;
    current = next;
  }
  return false;
}

/** Each certificate of a PEM bundle. */
export function splitPem(bundle: string): string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

const MAX_DEPTH = 8;
