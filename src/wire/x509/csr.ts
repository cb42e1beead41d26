import {
  bitString,
  contextConstructed,
  contextPrimitive,
  integer,
  objectId,
  octetString,
  sequence,
  set,
  utf8String,
} from "./der.ts";
import { ecdsaToDer } from "./ecdsa.ts";

/** The kind of key that requests are made for, as WebCrypto calls it. */
export const CSR_KEY = { name: "ECDSA", namedCurve: "P-256" } as const;

/** A new pair of keys to ask a certificate for. They can be exported. */
export function generateCsrKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(CSR_KEY, true, ["sign", "verify"]);
}

/**
 * A PKCS#10 request (RFC 2986) for a certificate that names `dnsName`, signed with ECDSA and SHA-256 by a P-256 private key.
 * DER. As Linkerd's proxies ask: the name is the only DNS name, and the common name as well where it fits
 * (64 characters at most by X.520; the subject is left empty for longer ones). The public key must be extractable.
 */
export async function createCsr(dnsName: string, { privateKey, publicKey }: CryptoKeyPair): Promise<Uint8Array> {
  const { name, namedCurve } = privateKey.algorithm as { name: string; namedCurve?: string };
  if (namedCurve !== CSR_KEY.namedCurve) {
    throw new TypeError(`Cannot sign a certificate request: the key is ${namedCurve ?? name}, not ECDSA P-256`);
  }
  if (!/^[\x21-\x7e]{1,253}$/.test(dnsName)) {
    throw new TypeError(`Cannot ask for a certificate for ${JSON.stringify(dnsName)}: not a DNS name`);
  }
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  const info = new Uint8Array(requestInfo(dnsName, spki));
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, info);
  return sequence(info, sequence(objectId(ECDSA_WITH_SHA256)), bitString(ecdsaToDer(new Uint8Array(signature))));
}

function requestInfo(dnsName: string, publicKey: Uint8Array): Uint8Array {
  const alternatives = sequence(contextPrimitive(DNS_NAME_TAG, Buffer.from(dnsName, "latin1")));
  const extensions = sequence(sequence(objectId(SUBJECT_ALT_NAME), octetString(alternatives)));
  const attribute = sequence(objectId(EXTENSION_REQUEST), set(extensions));
  return sequence(integer(0), subject(dnsName), publicKey, contextConstructed(0, attribute));
}

function subject(dnsName: string): Uint8Array {
  if (dnsName.length > MAX_COMMON_NAME_LENGTH) return sequence();
  return sequence(set(sequence(objectId(COMMON_NAME), utf8String(dnsName))));
}

const MAX_COMMON_NAME_LENGTH = 64;
const COMMON_NAME = [2, 5, 4, 3];
const SUBJECT_ALT_NAME = [2, 5, 29, 17];
const EXTENSION_REQUEST = [1, 2, 840, 113549, 1, 9, 14];
const ECDSA_WITH_SHA256 = [1, 2, 840, 10045, 4, 3, 2];
/** GeneralName: dNSName [2]. */
const DNS_NAME_TAG = 2;
