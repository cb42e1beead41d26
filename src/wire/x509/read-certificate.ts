import { contextConstructedTag, contextTag, DerReader, TAG } from "./der-reader.ts";
import { readAlternativeNames, readExtensions } from "./extensions.ts";
import { OID } from "./object-ids.ts";
import { readSigned, type Signed } from "./signature.ts";

/** What a certificate says, as far as a proxy asks. Instants are milliseconds since 1970. */
export interface CertificateFacts {
  readonly der: Uint8Array;
  readonly signed: Signed;
  /** Name, DER. */
  readonly issuer: Uint8Array;
  /** Name, DER. */
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: Uint8Array;
  readonly dnsNames: readonly string[];
  readonly isCa: boolean;
  /** False when key usage forbids signing certificates. */
  readonly maySignCertificates: boolean;
}

const VERSION = contextConstructedTag(0);
const ISSUER_UNIQUE_ID = contextTag(1);
const SUBJECT_UNIQUE_ID = contextTag(2);
const EXTENSIONS = contextConstructedTag(3);

/** Reads a certificate (RFC 5280 §4.1) and verifies nothing. Throws a `RangeError` that says what was wrong with the bytes. */
export function readCertificate(der: Uint8Array): CertificateFacts {
  const signed = readSigned(der, "the certificate");
  const content = new DerReader(signed.content).open(TAG.sequence, "the certificate's content");
  const version = content.openIf(VERSION, "the version");
  version?.integer("the version");
  version?.end("the version");
  content.integer("the serial number");
  if (!areEqual(content.whole(TAG.sequence, "the signature algorithm"), signed.algorithm)) {
    throw new RangeError("Cannot read the certificate: it names two signature algorithms"); // §4.1.1.2
  }
  const issuer = content.whole(TAG.sequence, "the issuer");
  const validity = content.open(TAG.sequence, "the validity");
  const notBeforeMs = readTime(validity, "the start of validity");
  const notAfterMs = readTime(validity, "the end of validity");
  validity.end("the validity");
  const subject = content.whole(TAG.sequence, "the subject");
  const publicKeyDer = content.whole(TAG.sequence, "the public key");
  for (const tag of [ISSUER_UNIQUE_ID, SUBJECT_UNIQUE_ID]) {
    if (content.nextTag === tag) content.content(tag, "a unique identifier");
  }
  const wrapped = content.openIf(EXTENSIONS, "the extensions");
  const extensions = wrapped ? readExtensions(wrapped) : NONE;
  wrapped?.end("the extensions");
  content.end("the extensions");
  return {
    der,
    signed,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    publicKeyDer,
    dnsNames: readAlternativeNames(extensions.get(OID.subjectAltName)).dnsNames,
    isCa: readIsCa(extensions.get(OID.basicConstraints)),
    maySignCertificates: readMaySign(extensions.get(OID.keyUsage)),
  };
}

const NONE: ReadonlyMap<string, Uint8Array> = new Map();

/** Whether `issuer` may have issued the certificate, by its name and its rights; its signature is to be verified yet. */
export function mayHaveIssued(issuer: CertificateFacts, certificate: CertificateFacts): boolean {
  return issuer.isCa && issuer.maySignCertificates && areEqual(issuer.subject, certificate.issuer);
}

export function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** §4.2.1.9: not a CA unless it says so. */
function readIsCa(extension: Uint8Array | undefined): boolean {
  if (!extension) return false;
  const constraints = new DerReader(extension).open(TAG.sequence, "the basic constraints");
  return constraints.nextTag === TAG.boolean && constraints.bool("whether it is a CA");
}

const KEY_CERT_SIGN = 0b0000_0100; // §4.2.1.3: bit 5, counted from the first

function readMaySign(extension: Uint8Array | undefined): boolean {
  if (!extension) return true;
  const [, firstBits = 0] = new DerReader(extension).content(TAG.bitString, "the key usage"); // behind the count of unused bits
  return (firstBits & KEY_CERT_SIGN) !== 0;
}

/** §4.1.2.5: to the second and in UTC; two digits of a year mean 1950 to 2049. */
function readTime(validity: DerReader, what: string): number {
  const isShort = validity.nextTag === TAG.utcTime;
  const content = validity.content(isShort ? TAG.utcTime : TAG.generalizedTime, what);
  const text = Buffer.from(content).toString("latin1");
  const digits = isShort ? `${text < "5" ? "20" : "19"}${text}` : text;
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? [];
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const atMs = Date.parse(iso);
  if (Number.isNaN(atMs) || new Date(atMs).toISOString() !== iso) {
    throw new RangeError(
      `Cannot read the certificate: ${what} is ${JSON.stringify(text.slice(0, 24))}, no time in UTC`,
    );
  }
  return atMs;
}
