import "reflect-metadata";
import { createPublicKey, type KeyObject } from "node:crypto";
import * as x509 from "@peculiar/x509";
import { type KeyKind, keyKindOf } from "./keys.ts";

/** A certificate signing request whose own signature holds: the sender has the private key. */
export interface CertificateRequest {
  readonly commonName: string | undefined;
  /** True when the subject holds anything beside one common name. */
  readonly hasOtherSubject: boolean;
  /** The subject's DER, as asked for. */
  readonly subject: string;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Names of other kinds (e-mail, IP, directory names…). */
  readonly otherNameCount: number;
  readonly publicKeyDer: Uint8Array;
  readonly keyKind: KeyKind;
}

export interface ParsedCsr {
  readonly value: CertificateRequest | undefined;
  /** What is wrong with it; safe to send back. */
  readonly error: string | undefined;
}

const MAX_CSR_BYTES = 16 * 1024; // an RSA-4096 request with one name has under 2 KiB

/** Reads a PKCS#10 request (DER) and verifies its signature. Hostile bytes give an error, never an exception. */
export async function parseCsr(der: Uint8Array): Promise<ParsedCsr> {
  if (der.length === 0 || der.length > MAX_CSR_BYTES) return wrong(`${der.length} bytes; wanted 1–${MAX_CSR_BYTES}`);
  try {
    const csr = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
    const publicKeyDer = new Uint8Array(csr.publicKey.rawData);
    const keyKind = keyKindOf(readPublicKey(publicKeyDer));
    if (!keyKind) return wrong("its key is of a kind that is not accepted");
    if (!(await csr.verify())) return wrong("its signature does not match its key");
    return { value: describe(csr, publicKeyDer, keyKind), error: undefined };
  } catch {
    return wrong("not a PKCS#10 request in DER");
  }
}

function readPublicKey(der: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
}

function wrong(what: string): ParsedCsr {
  return { value: undefined, error: `Cannot accept the certificate signing request: ${what}` };
}

function describe(csr: x509.Pkcs10CertificateRequest, publicKeyDer: Uint8Array, keyKind: KeyKind): CertificateRequest {
  const alternative = csr.extensions.filter((extension) => extension instanceof x509.SubjectAlternativeNameExtension);
  const names = alternative.flatMap((extension) => extension.names.toJSON());
  const subjectFields = csr.subjectName.toJSON().flatMap((part) => Object.entries(part));
  const commonNames = subjectFields.filter(([field]) => field === "CN").flatMap(([, values]) => values as string[]);
  return {
    commonName: commonNames[0],
    hasOtherSubject: subjectFields.length > 1 || commonNames.length !== subjectFields.length,
    subject: csr.subject,
    dnsNames: names.filter((name) => name.type === "dns").map((name) => name.value),
    uris: names.filter((name) => name.type === "url").map((name) => name.value),
    otherNameCount: names.filter((name) => name.type !== "dns" && name.type !== "url").length,
    publicKeyDer,
    keyKind,
  };
}
