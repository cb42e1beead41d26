import { objectId } from "./der.ts";

/** Object identifiers as `DerReader.objectId` returns them: the hexadecimal digits of their content. */
export const OID = {
  commonName: id(2, 5, 4, 3),
  keyUsage: id(2, 5, 29, 15),
  subjectAltName: id(2, 5, 29, 17),
  basicConstraints: id(2, 5, 29, 19),
  extensionRequest: id(1, 2, 840, 113549, 1, 9, 14),
  // Keys: RFC 5480 §2.1.1, RFC 3279 §2.3.1, RFC 8410 §3.
  ecPublicKey: id(1, 2, 840, 10045, 2, 1),
  p256: id(1, 2, 840, 10045, 3, 1, 7),
  p384: id(1, 3, 132, 0, 34),
  rsaEncryption: id(1, 2, 840, 113549, 1, 1, 1),
  ed25519: id(1, 3, 101, 112), // of keys and of signatures
  // Signatures: RFC 5758 §3.2, RFC 4055 §5.
  ecdsaWithSha256: id(1, 2, 840, 10045, 4, 3, 2),
  ecdsaWithSha384: id(1, 2, 840, 10045, 4, 3, 3),
  ecdsaWithSha512: id(1, 2, 840, 10045, 4, 3, 4),
  sha256WithRsa: id(1, 2, 840, 113549, 1, 1, 11),
  sha384WithRsa: id(1, 2, 840, 113549, 1, 1, 12),
  sha512WithRsa: id(1, 2, 840, 113549, 1, 1, 13),
} as const;

function id(...arcs: number[]): string {
  return Buffer.from(objectId(arcs).subarray(2)).toString("hex"); // behind its tag and length
}
