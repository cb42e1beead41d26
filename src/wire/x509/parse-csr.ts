import { createPublicKey, type KeyObject } from "node:crypto";
import { contextConstructedTag, DerReader, TAG } from "./der-reader.ts";
import { readAlternativeNames, readExtensions } from "./extensions.ts";
import { type KeyKind, keyKindOf } from "./keys.ts";
import { OID } from "./object-ids.ts";
import { isSignedBy, readSigned } from "./signature.ts";

/** A certificate signing request whose own signature holds: the sender has the private key. */
export interface CertificateRequest {
  readonly commonName: string | undefined;
  /** True when the subject holds anything beside one common name. */
  readonly hasOtherSubject: boolean;
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
    const signed = readSigned(der, "the request");
    const { publicKeyDer, ...facts } = readRequestInfo(signed.content);
    const keyKind = keyKindOf(readPublicKey(publicKeyDer));
    if (!keyKind) return wrong("its key is of a kind that is not accepted");
    if (!(await isSignedBy(signed, publicKeyDer))) return wrong("its signature does not match its key");
    return { value: { ...facts, publicKeyDer, keyKind }, error: undefined };
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

const ATTRIBUTES = contextConstructedTag(0);

/** CertificationRequestInfo: RFC 2986 §4.1. */
function readRequestInfo(der: Uint8Array): Omit<CertificateRequest, "keyKind"> {
  const info = new DerReader(der).open(TAG.sequence, "the request's content");
  info.integer("the version");
  const subject = readSubject(info);
  const publicKeyDer = info.whole(TAG.sequence, "the public key");
  const attributes = info.openIf(ATTRIBUTES, "the attributes");
  info.end("the attributes");
  const { dnsNames, uris, otherCount } = readAlternativeNames(attributes && readRequestedNames(attributes));
  return { ...subject, dnsNames, uris, otherNameCount: otherCount, publicKeyDer };
}

/** The subjectAltName extension that is asked for. Attributes of other kinds ask for nothing that we give. */
function readRequestedNames(attributes: DerReader): Uint8Array | undefined {
  let extensions: ReadonlyMap<string, Uint8Array> | undefined;
  while (!attributes.isAtEnd) {
    const attribute = attributes.open(TAG.sequence, "an attribute");
    const isRequest = attribute.objectId("the name of an attribute") === OID.extensionRequest;
    const values = attribute.open(TAG.set, "the values of an attribute");
    attribute.end("an attribute");
    if (!isRequest) continue;
    if (extensions) throw new RangeError("Cannot read the request: it asks for extensions twice");
    extensions = readExtensions(values);
    values.end("the extensions");
  }
  return extensions?.get(OID.subjectAltName);
}

/** Name: RFC 5280 §4.1.2.4, a sequence of sets of fields. */
function readSubject(info: DerReader): Pick<CertificateRequest, "commonName" | "hasOtherSubject"> {
  const subject = info.open(TAG.sequence, "the subject");
  let commonName: string | undefined;
  let fieldCount = 0;
  while (!subject.isAtEnd) {
    const fields = subject.open(TAG.set, "a part of the subject");
    for (; !fields.isAtEnd; fieldCount++) {
      const field = fields.open(TAG.sequence, "a field of the subject");
      const isCommonName = field.objectId("the name of a field") === OID.commonName;
      const tag = field.nextTag ?? 0;
      const value = field.content(tag, "a field of the subject");
      field.end("a field of the subject");
      if (isCommonName) commonName ??= readText(tag, value);
    }
  }
  return { commonName, hasOtherSubject: fieldCount > (commonName === undefined ? 0 : 1) };
}

function readText(tag: number, content: Uint8Array): string {
  switch (tag) {
    case TAG.utf8String:
      return UTF8.decode(content);
    case TAG.printableString:
    case TAG.ia5String:
      return Buffer.from(content).toString("latin1");
    default:
      throw new RangeError("Cannot read the request: its common name is of another kind of text");
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
