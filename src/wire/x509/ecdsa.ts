import { bigInteger, sequence } from "./der.ts";
import { DerReader, TAG } from "./der-reader.ts";

/**
 * An ECDSA signature as WebCrypto makes it, r and s of equal length behind each other, as X.509 wants it:
 * SEQUENCE of two integers (RFC 3279 §2.2.3).
 */
export function ecdsaToDer(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  return sequence(positive(signature.subarray(0, half)), positive(signature.subarray(half)));
}

/** The other way; `size` is the length of each number. Throws a `RangeError` on bytes that are no such signature. */
export function ecdsaFromDer(der: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const outer = new DerReader(der);
  const numbers = outer.open(TAG.sequence, "the signature");
  outer.end("the signature");
  const signature = new Uint8Array(2 * size);
  for (const endAt of [size, 2 * size]) {
    const bytes = withoutZeros(positiveContent(numbers));
    if (bytes.length > size) throw new RangeError("Cannot read the signature: a number is too large for the key");
    signature.set(bytes, endAt - bytes.length);
  }
  numbers.end("the signature's numbers");
  return signature;
}

function positiveContent(numbers: DerReader): Uint8Array {
  const bytes = numbers.integer("a number of the signature");
  if (bytes[0]! >= 0x80) throw new RangeError("Cannot read the signature: a number is negative");
  return bytes;
}

/** X.690 §8.3: as few bytes as can be, the first bit of which is 0. */
function positive(number: Uint8Array): Uint8Array {
  const bytes = withoutZeros(number);
  const isMarked = bytes.length > 0 && bytes[0]! < 0x80;
  return bigInteger(isMarked ? bytes : Buffer.concat([Uint8Array.of(0), bytes]));
}

function withoutZeros(number: Uint8Array): Uint8Array {
  const first = number.findIndex((byte) => byte !== 0);
  return first < 0 ? new Uint8Array(0) : number.subarray(first);
}
