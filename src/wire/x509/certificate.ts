import "reflect-metadata"; // @peculiar/x509 needs it loaded first
import { createHash, X509Certificate as NodeCertificate } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { type KeyKind, keyKindOf } from "./keys.ts";
import { pemBlocks, toPem } from "./pem.ts";

/** A certificate, read. Instants are milliseconds since 1970. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly pem: string;
  readonly subject: string;
  readonly commonName: string | undefined;
  readonly issuer: string;
  /** Hexadecimal, without leading zeros lost. */
  readonly serialNumber: string;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isCa: boolean;
  /** How many CA certificates may stand below this one; undefined means any number. */
  readonly maxPathLength: number | undefined;
  /** False when key usage forbids signing certificates. */
  readonly maySignCertificates: boolean;
  /** Undefined for kinds we do not accept. */
  readonly keyKind: KeyKind | undefined;
  readonly isSelfIssued: boolean;
  /** SHA-256 of the DER, lower-case hexadecimal. */
  readonly fingerprint: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: Uint8Array;
  /** The runtime's own view, for signatures. */
  readonly native: NodeCertificate;
}

/** Reads one certificate. Throws on bytes that are none. */
export function parseCertificate(der: Uint8Array): Certificate {
  try {
    const native = new NodeCertificate(der);
    return describe(der, new x509.X509Certificate(new Uint8Array(der)), native);
  } catch (cause) {
    throw new Error(`Cannot parse certificate: ${(cause as Error).message}; wanted X.509 DER`, { cause });
  }
}

/** Reads every certificate of a PEM text, in order; empty when there is none. */
export function parseCertificates(pem: string): Certificate[] {
  return pemBlocks(pem, "CERTIFICATE").map(parseCertificate);
}

function describe(der: Uint8Array, parsed: x509.X509Certificate, native: NodeCertificate): Certificate {
  const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
  const constraints = parsed.getExtension(x509.BasicConstraintsExtension);
  const usages = parsed.getExtension(x509.KeyUsagesExtension);
  return {
    der,
    pem: toPem(der, "CERTIFICATE"),
    subject: parsed.subject,
    commonName: parsed.subjectName.getField("CN")[0],
    issuer: parsed.issuer,
    serialNumber: parsed.serialNumber,
    dnsNames: names.filter((name) => name.type === "dns").map((name) => name.value),
    uris: names.filter((name) => name.type === "url").map((name) => name.value),
    notBeforeMs: parsed.notBefore.getTime(),
    notAfterMs: parsed.notAfter.getTime(),
    isCa: constraints?.ca ?? false,
    maxPathLength: constraints?.pathLength,
    maySignCertificates: !usages || (usages.usages & x509.KeyUsageFlags.keyCertSign) !== 0,
    keyKind: keyKindOf(native.publicKey),
    isSelfIssued: parsed.subject === parsed.issuer,
    fingerprint: createHash("sha256").update(der).digest("hex"),
    publicKeyDer: new Uint8Array(parsed.publicKey.rawData),
    native,
  };
}
