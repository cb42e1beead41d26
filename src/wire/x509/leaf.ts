import { createHash, type KeyObject, sign } from "node:crypto";
import {
  bitString,
  contextConstructed,
  contextPrimitive,
  element,
  integer,
  objectId,
  octetString,
  sequence,
  set,
  utf8String,
} from "./der.ts";
import { type KeyKind, kindOrThrow } from "./keys.ts";

/** What a leaf certificate says. */
export interface LeafContent {
  /** Positive, without a leading zero octet. */
  readonly serialNumber: Uint8Array;
  /** The issuer's subject, DER. */
  readonly issuerName: Uint8Array;
  /** The issuer's subject key identifier, when it has one. */
  readonly issuerKeyId: Uint8Array | undefined;
  readonly commonName: string | undefined;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: Uint8Array;
}

/**
 * Writes and signs an end-entity certificate for TLS (RFC 5280), usable by clients and servers. Written by hand because
 * identity issues thousands a second after an outage, and the library's encoder takes most of its time there.
 */
export function signLeaf(content: LeafContent, issuerKey: KeyObject): Uint8Array {
  const { algorithm, digest } = SIGNATURES[kindOrThrow(issuerKey)];
  const toBeSigned = tbsCertificate(content, algorithm);
  return sequence(toBeSigned, algorithm, bitString(sign(digest, toBeSigned, issuerKey)));
}

const NULL = element(0x05, new Uint8Array(0));
const ecdsaSha256 = { algorithm: sequence(objectId([1, 2, 840, 10045, 4, 3, 2])), digest: "sha256" };
const rsaSha256 = { algorithm: sequence(objectId([1, 2, 840, 113549, 1, 1, 11]), NULL), digest: "sha256" };

/** RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5: Ed25519 brings its own digest, RSA has explicit NULL parameters. */
const SIGNATURES: Record<KeyKind, { readonly algorithm: Uint8Array; readonly digest: string | null }> = {
  "P-256": ecdsaSha256,
  "P-384": { algorithm: sequence(objectId([1, 2, 840, 10045, 4, 3, 3])), digest: "sha384" },
  Ed25519: { algorithm: sequence(objectId([1, 3, 101, 112])), digest: null },
  "RSA-2048": rsaSha256,
  "RSA-3072": rsaSha256,
  "RSA-4096": rsaSha256,
};

const VERSION_3 = contextConstructed(0, integer(2));
const DNS_TAG = 2; // GeneralName dNSName [2]
const URI_TAG = 6; // GeneralName uniformResourceIdentifier [6]

function tbsCertificate(content: LeafContent, algorithm: Uint8Array): Uint8Array {
  const { commonName } = content;
  return sequence(
    VERSION_3,
    element(0x02, content.serialNumber),
    algorithm,
    content.issuerName,
    sequence(time(content.notBeforeMs), time(content.notAfterMs)),
    commonName ? sequence(set(sequence(objectId([2, 5, 4, 3]), utf8String(commonName)))) : sequence(),
    content.publicKeyDer,
    contextConstructed(3, sequence(...extensions(content))),
  );
}

const CRITICAL = element(0x01, Uint8Array.of(0xff));
const NOT_A_CA = extension([2, 5, 29, 19], sequence(), true);
const KEY_USAGE = extension([2, 5, 29, 15], element(0x03, Uint8Array.of(5, 0b1010_0000)), true); // digitalSignature, keyEncipherment
const TLS_BOTH_WAYS = extension(
  [2, 5, 29, 37],
  sequence(objectId([1, 3, 6, 1, 5, 5, 7, 3, 1]), objectId([1, 3, 6, 1, 5, 5, 7, 3, 2])),
  false,
);

function extensions({ dnsNames, uris, commonName, publicKeyDer, issuerKeyId }: LeafContent): Uint8Array[] {
  const names = [
    ...dnsNames.map((name) => contextPrimitive(DNS_TAG, ia5(name))),
    ...uris.map((uri) => contextPrimitive(URI_TAG, ia5(uri))),
  ];
  const ownKeyId = createHash("sha256").update(publicKeyDer).digest().subarray(0, 20); // any unique value: RFC 5280 §4.2.1.2
  const all = [
    NOT_A_CA,
    KEY_USAGE,
    TLS_BOTH_WAYS,
    extension([2, 5, 29, 17], sequence(...names), !commonName), // critical when the subject is empty: §4.2.1.6
    extension([2, 5, 29, 14], octetString(ownKeyId), false),
  ];
  return issuerKeyId ? [...all, extension([2, 5, 29, 35], sequence(contextPrimitive(0, issuerKeyId)), false)] : all;
}

function extension(id: readonly number[], value: Uint8Array, isCritical: boolean): Uint8Array {
  return isCritical ? sequence(objectId(id), CRITICAL, octetString(value)) : sequence(objectId(id), octetString(value));
}

function ia5(text: string): Uint8Array {
  if (!/^[\x21-\x7e]+$/.test(text))
    throw new TypeError(`Cannot certify the name ${JSON.stringify(text)}: wanted plain ASCII`);
  return Buffer.from(text, "latin1");
}

/** RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
function time(atMs: number): Uint8Array {
  const digits = new Date(atMs).toISOString().replace(/[-:T]|\.\d+/g, ""); // 20260102030405Z
  return digits < "2050" ? element(0x17, Buffer.from(digits.slice(2))) : element(0x18, Buffer.from(digits));
}
