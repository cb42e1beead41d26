import type { Certificate } from "./certificate.ts";

export interface ChainQuestion {
  /** The certificate in question; a CA when the chain of an issuer is asked for. */
  readonly certificate: Certificate;
  readonly intermediates: readonly Certificate[];
  /** Trusted because we say so. Several may overlap during a rotation; each that is valid counts. */
  readonly roots: readonly Certificate[];
  readonly nowMs: number;
}

const MAX_CHAIN_LENGTH = 8; // certificates between leaf and root; more is an attack or a mistake

export interface ChainVerdict {
  /** From the certificate up to and including a root; undefined when there is no valid way. */
  readonly path: readonly Certificate[] | undefined;
  /** Why not. */
  readonly error: string | undefined;
}

/**
 * Whether a certificate leads to one of the roots, as of now (RFC 5280 §6 without policies and name constraints).
 * Every signature, validity window, CA flag, key usage and path length on the way is checked.
 */
export function verifyChain(question: ChainQuestion): ChainVerdict {
  if (question.roots.length === 0) return { path: undefined, error: "there are no trust roots" };
  const reasons: string[] = [];
  const path = climb(question, [question.certificate], reasons);
  return path ? { path, error: undefined } : { path: undefined, error: [...new Set(reasons)].join("; ") };
}

function climb(question: ChainQuestion, path: Certificate[], reasons: string[]): Certificate[] | undefined {
  const last = path.at(-1)!;
  const outside = validityError(last, question.nowMs);
  if (outside) return refuse(reasons, outside);
  if (question.roots.some((root) => root.fingerprint === last.fingerprint)) return path;
  if (path.length > MAX_CHAIN_LENGTH) return refuse(reasons, `the chain is longer than ${MAX_CHAIN_LENGTH}`);
  let hasIssuer = false;
  for (const issuer of [...question.roots, ...question.intermediates]) {
    if (issuer.subject !== last.issuer || path.includes(issuer) || !isSignedBy(last, issuer)) continue;
    hasIssuer = true;
    const unfit = authorityError(issuer, path.filter((below) => below.isCa).length);
    if (unfit) refuse(reasons, unfit);
    const found = unfit ? undefined : climb(question, [...path, issuer], reasons);
    if (found) return found;
  }
  return hasIssuer
    ? undefined
    : refuse(reasons, `"${last.subject}" is signed by "${last.issuer}", which is no trust root`);
}

function refuse(reasons: string[], reason: string): undefined {
  reasons.push(reason);
}

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  try {
    return certificate.native.verify(issuer.native.publicKey);
  } catch {
    return false; // a key of another algorithm
  }
}

/** Why a certificate is not valid at `nowMs`; undefined when it is. */
export function validityError(certificate: Certificate, nowMs: number): string | undefined {
  const name = certificate.subject || certificate.dnsNames[0] || certificate.serialNumber;
  if (nowMs < certificate.notBeforeMs) return `"${name}" is not valid before ${iso(certificate.notBeforeMs)}`;
  if (nowMs >= certificate.notAfterMs) return `"${name}" expired at ${iso(certificate.notAfterMs)}`;
  return undefined;
}

/** Why a certificate may not sign others with `belowCount` CA certificates under it; undefined when it may. */
export function authorityError(certificate: Certificate, belowCount: number): string | undefined {
  if (!certificate.isCa) return `"${certificate.subject}" is not a CA`;
  if (!certificate.maySignCertificates) return `the key usage of "${certificate.subject}" forbids signing certificates`;
  if (!certificate.keyKind) return `the key of "${certificate.subject}" is of a kind that is not accepted`;
  if (certificate.maxPathLength !== undefined && belowCount > certificate.maxPathLength) {
    return `the path length of "${certificate.subject}" is ${certificate.maxPathLength}, but ${belowCount} CAs stand below it`;
  }
  return undefined;
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
