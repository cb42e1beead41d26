/** Writes DER (X.690), as much of it as certificates and requests need. Every function returns a whole element. */

export function sequence(...parts: readonly Uint8Array[]): Uint8Array {
  return element(0x30, Buffer.concat(parts));
}

/** SET OF one element; more would have to be sorted. */
export function set(part: Uint8Array): Uint8Array {
  return element(0x31, part);
}

/** A small non-negative number. */
export function integer(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 127)
    throw new RangeError(`Cannot write ${value}: want 0 to 127`);
  return element(0x02, Uint8Array.of(value));
}

/** A positive number of any length, big-endian; the first bit of `bytes` must be 0 (X.690 §8.3). */
export function bigInteger(bytes: Uint8Array): Uint8Array {
  return element(0x02, bytes);
}

export function bool(value: boolean): Uint8Array {
  return element(0x01, Uint8Array.of(value ? 0xff : 0));
}

/** An instant, to the second. GeneralizedTime. */
export function generalizedTime(wallMs: number): Uint8Array {
  const digits = new Date(wallMs).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return element(0x18, Buffer.from(`${digits}Z`, "latin1"));
}

/** Whole bytes. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return element(0x03, Buffer.concat([Uint8Array.of(0), bytes])); // no unused bits
}

export function octetString(bytes: Uint8Array): Uint8Array {
  return element(0x04, bytes);
}

export function utf8String(text: string): Uint8Array {
  return element(0x0c, Buffer.from(text, "utf8"));
}

export function objectId(arcs: readonly number[]): Uint8Array {
  const [first, second, ...rest] = arcs;
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** [tag] IMPLICIT around primitive content. */
export function contextPrimitive(tag: number, bytes: Uint8Array): Uint8Array {
  return element(0x80 | tag, bytes);
}

/** Named bits in one byte, the last `unused` of them not there. */
export function namedBits(byte: number, unused: number): Uint8Array {
  return element(0x03, Uint8Array.of(unused, byte));
}

/** [tag] around constructed content: EXPLICIT, or IMPLICIT for a set or sequence. */
export function contextConstructed(tag: number, content: Uint8Array): Uint8Array {
  return element(0xa0 | tag, content);
}

/** Any element: its tag byte and its content. */
export function element(tag: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(tag, ...lengthBytes(content.length)), content]);
}

/** X.690 §8.1.3: one byte below 128, else the count of length bytes and they. */
function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 255);
  return [0x80 | bytes.length, ...bytes];
}

function base128(arc: number): number[] {
  const bytes = [arc & 127];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest & 127) | 128);
  return bytes;
}
