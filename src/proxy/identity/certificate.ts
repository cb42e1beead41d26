import { pemBlocks, toPem } from "#x509/pem";
import { areEqual, type CertificateFacts, mayHaveIssued, readCertificate } from "#x509/read-certificate";
import { isSignedBy } from "#x509/signature";

/** A certificate chain as the identity service issued it. */
export interface Certificate {
  /** PEM, leaf first. */
  readonly chainPem: string;
  readonly expiresAtMs: number;
}

/** Joins DER certificates into PEM, in the order given. Throws when one of them is none. */
export function pemOfDer(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => toPem(readCertificate(der).der, "CERTIFICATE")).join("");
}

/** What is wrong with a certificate we are to use ourselves; undefined when nothing is. */
export async function checkCertificate(
  certificate: Certificate,
  name: string,
  trustRootsPem: string,
  nowMs: number,
): Promise<string | undefined> {
  const [leaf, ...intermediates] = readPem(certificate.chainPem, "certificate");
  if (!leaf) return "The identity service sent no certificate";
  if (certificate.expiresAtMs <= nowMs || leaf.notAfterMs <= nowMs) {
    return `The identity service sent a certificate that expired at ${new Date(leaf.notAfterMs).toISOString()}`;
  }
  const names = leaf.dnsNames.map((one) => one.toLowerCase());
  if (!names.includes(name)) return `The identity service certified "${names.join(", ")}", wanted "${name}"`;
  const chain = { roots: readPem(trustRootsPem, "trust anchor"), nowMs };
  return (await leadsToRoot(leaf, intermediates.slice(0, MAX_INTERMEDIATES), chain))
    ? undefined
    : "The identity service's certificate does not lead to any trust anchor: check that the issuer is signed by them";
}

const MAX_INTERMEDIATES = 8;

/** Each certificate of a PEM bundle. */
function readPem(bundle: string, what: string): CertificateFacts[] {
  return pemBlocks(bundle, "CERTIFICATE").map((der, index) => {
    try {
      return readCertificate(der);
    } catch (cause) {
      throw new Error(`Cannot read ${what} ${index + 1} of the bundle: ${(cause as Error).message}`, { cause });
    }
  });
}

interface Trust {
  readonly roots: readonly CertificateFacts[];
  readonly nowMs: number;
}

/** Tries every way up, as an issuer may be certified by more than one root. Each intermediate is used once. */
async function leadsToRoot(
  certificate: CertificateFacts,
  intermediates: readonly CertificateFacts[],
  trust: Trust,
): Promise<boolean> {
  if (trust.roots.some((root) => areEqual(root.der, certificate.der))) return true;
  for (const root of trust.roots) {
    if (await isIssuer(root, certificate, trust.nowMs)) return true;
  }
  for (const issuer of intermediates) {
    if (!(await isIssuer(issuer, certificate, trust.nowMs))) continue;
    const others = intermediates.filter((one) => one !== issuer);
    if (await leadsToRoot(issuer, others, trust)) return true;
  }
  return false;
}

async function isIssuer(issuer: CertificateFacts, certificate: CertificateFacts, nowMs: number): Promise<boolean> {
  const isInForce = nowMs < issuer.notAfterMs;
  return isInForce && mayHaveIssued(issuer, certificate) && (await isSignedBy(certificate.signed, issuer.publicKeyDer));
}
