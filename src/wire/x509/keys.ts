import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";

/** The kinds of key that may sign or be certified. */
export const KEY_KINDS = ["P-256", "P-384", "Ed25519", "RSA-2048", "RSA-3072", "RSA-4096"] as const;
export type KeyKind = (typeof KEY_KINDS)[number];

/** A new private key. */
export function generatePrivateKey(kind: KeyKind = "P-256"): KeyObject {
  switch (kind) {
    case "P-256":
    case "P-384":
      return generateKeyPairSync("ec", { namedCurve: kind }).privateKey;
    case "Ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    default:
      return generateKeyPairSync("rsa", { modulusLength: Number(kind.slice(4)) }).privateKey;
  }
}

/** Reads PKCS#8, SEC1 or PKCS#1 PEM. The error never quotes the text. */
export function parsePrivateKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new Error("Cannot parse private key: wanted an unencrypted PEM key (PKCS#8, EC or RSA)", { cause });
  }
}

/** The public half as SubjectPublicKeyInfo. */
export function publicKeyDer(key: KeyObject): Uint8Array {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return new Uint8Array(publicKey.export({ type: "spki", format: "der" }));
}

/** The kind of a key, or undefined for one that must not be used (short RSA, other curves). */
export function keyKindOf(key: KeyObject): KeyKind | undefined {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "ec":
      return namedCurve === "prime256v1" ? "P-256" : namedCurve === "secp384r1" ? "P-384" : undefined;
    case "ed25519":
      return "Ed25519";
    case "rsa":
      return KEY_KINDS.find((kind) => kind === `RSA-${modulusLength}`);
    default:
      return undefined;
  }
}

/** The same key for WebCrypto, able to sign. */
export function toSigningKey(key: KeyObject): Promise<CryptoKey> {
  const der = key.export({ type: "pkcs8", format: "der" });
  return crypto.subtle.importKey("pkcs8", new Uint8Array(der), importAlgorithm(kindOrThrow(key)), true, ["sign"]);
}

/** What WebCrypto is to sign with: the digest fits the key (RFC 5758, RFC 8410). */
export function signingAlgorithm(kind: KeyKind): { name: string; hash?: string } {
  if (kind === "Ed25519") return { name: "Ed25519" };
  if (kind === "P-384") return { name: "ECDSA", hash: "SHA-384" };
  return { name: kind === "P-256" ? "ECDSA" : "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
}

/** The kind of `key`; throws for kinds that are not accepted. */
export function kindOrThrow(key: KeyObject): KeyKind {
  const kind = keyKindOf(key);
  if (!kind) throw new Error(`Cannot use this ${key.asymmetricKeyType} key: wanted one of ${KEY_KINDS.join(", ")}`);
  return kind;
}

function importAlgorithm(kind: KeyKind): { name: string; namedCurve?: string; hash?: string } {
  if (kind === "Ed25519") return { name: "Ed25519" };
  if (kind === "P-256" || kind === "P-384") return { name: "ECDSA", namedCurve: kind };
  return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
}
