import { DerReader, TAG } from "./der-reader.ts";
import { ecdsaFromDer } from "./ecdsa.ts";
import { OID } from "./object-ids.ts";

/** What certificates and requests are: something, and a signature over it (RFC 5280 §4.1.1, RFC 2986 §4.2). */
export interface Signed {
  /** What was signed, DER. */
  readonly content: Uint8Array;
  /** AlgorithmIdentifier, DER. */
  readonly algorithm: Uint8Array;
  readonly signature: Uint8Array;
}

/** Takes the two apart. Throws a `RangeError` on other bytes. */
export function readSigned(der: Uint8Array, what: string): Signed {
  const outer = new DerReader(der);
  const parts = outer.open(TAG.sequence, what);
  outer.end(what);
  const content = parts.whole(TAG.sequence, `the content of ${what}`);
  const algorithm = parts.whole(TAG.sequence, "the signature algorithm");
  const signature = parts.bitString("the signature");
  parts.end("the signature");
  return { content, algorithm, signature };
}

/**
 * Whether the holder of this key (SubjectPublicKeyInfo) signed. False as well for kinds of keys and signatures that are
 * not accepted, for a key that does not fit the signature's kind, and for bytes that are neither.
 */
export async function isSignedBy(
  { content, algorithm, signature }: Signed,
  publicKeyDer: Uint8Array,
): Promise<boolean> {
  try {
    const scheme = schemeOf(algorithm);
    const keyAlgorithm = keyAlgorithmOf(publicKeyDer);
    if (!scheme || keyAlgorithm?.name !== scheme.name) return false;
    const { numberBytes } = keyAlgorithm;
    const raw = numberBytes ? ecdsaFromDer(signature, numberBytes) : new Uint8Array(signature);
    const imported = { ...keyAlgorithm, ...scheme }; // ECDSA wants the curve here and the hash below, RSA the hash here
    const key = await crypto.subtle.importKey("spki", new Uint8Array(publicKeyDer), imported, false, ["verify"]);
    return await crypto.subtle.verify(scheme, key, raw, new Uint8Array(content));
  } catch {
    return false; // no such structure, or no point of the curve
  }
}

interface Scheme {
  readonly name: string;
  readonly hash?: string;
}

interface KeyAlgorithm {
  readonly name: string;
  readonly namedCurve?: string;
  /** The size of each of the two numbers of an ECDSA signature. */
  readonly numberBytes?: number;
}

const ECDSA = "ECDSA";
const RSA = "RSASSA-PKCS1-v1_5";
const ED25519 = "Ed25519";

const SCHEMES: Readonly<Record<string, Scheme>> = {
  [OID.ecdsaWithSha256]: { name: ECDSA, hash: "SHA-256" },
  [OID.ecdsaWithSha384]: { name: ECDSA, hash: "SHA-384" },
  [OID.ecdsaWithSha512]: { name: ECDSA, hash: "SHA-512" },
  [OID.sha256WithRsa]: { name: RSA, hash: "SHA-256" },
  [OID.sha384WithRsa]: { name: RSA, hash: "SHA-384" },
  [OID.sha512WithRsa]: { name: RSA, hash: "SHA-512" },
  [OID.ed25519]: { name: ED25519 },
};

function schemeOf(algorithm: Uint8Array): Scheme | undefined {
  return SCHEMES[new DerReader(algorithm).open(TAG.sequence, "the signature algorithm").objectId("its name")];
}

const CURVES: Readonly<Record<string, KeyAlgorithm>> = {
  [OID.p256]: { name: ECDSA, namedCurve: "P-256", numberBytes: 32 },
  [OID.p384]: { name: ECDSA, namedCurve: "P-384", numberBytes: 48 },
};

function keyAlgorithmOf(publicKeyDer: Uint8Array): KeyAlgorithm | undefined {
  const info = new DerReader(publicKeyDer).open(TAG.sequence, "the public key");
  const algorithm = info.open(TAG.sequence, "the key's algorithm");
  switch (algorithm.objectId("the key's algorithm")) {
    case OID.ecPublicKey:
      return CURVES[algorithm.objectId("the key's curve")];
    case OID.rsaEncryption:
      return { name: RSA };
    case OID.ed25519:
      return { name: ED25519 };
    default:
      return undefined;
  }
}
