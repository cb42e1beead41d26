/** Tags of the elements that certificates and requests are made of (X.680 §8.4); 0x20 marks those made of elements. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag of `[number] IMPLICIT` around primitive content. */
export function contextTag(number: number): number {
  return 0x80 | number;
}

/** The tag of `[number]` around elements. */
export function contextConstructedTag(number: number): number {
  return 0xa0 | number;
}

const MAX_DEPTH = 16; // a certificate's names lie 8 deep
const MAX_LENGTH_BYTES = 3; // elements up to 16 MiB

/**
 * Reads DER (X.690 §10), one element after the other, and nothing but DER: lengths are definite and minimal, and each
 * element ends within the one around it. `what` names the element for the `RangeError` that anything else throws.
 * What it returns are views.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #depth: number;
  #at = 0;

  constructor(bytes: Uint8Array, depth = 0) {
    if (depth > MAX_DEPTH) throw new RangeError(`Cannot read DER: more than ${MAX_DEPTH} elements within each other`);
    this.#bytes = bytes;
    this.#depth = depth;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The tag of the next element; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The content of the next element, which must have this tag. */
  content(tag: number, what: string): Uint8Array {
    const { contentAt, endAt } = this.#take(tag, what);
    return this.#bytes.subarray(contentAt, endAt);
  }

  /** The next element with its tag and length. */
  whole(tag: number, what: string): Uint8Array {
    const startAt = this.#at;
    return this.#bytes.subarray(startAt, this.#take(tag, what).endAt);
  }

  /** A reader of what is in the next element. */
  open(tag: number, what: string): DerReader {
    return new DerReader(this.content(tag, what), this.#depth + 1);
  }

  /** A reader of what is in the next element, when it has this tag. */
  openIf(tag: number, what: string): DerReader | undefined {
    return this.nextTag === tag ? this.open(tag, what) : undefined;
  }

  /** Asserts that nothing is left. */
  end(what: string): void {
    if (!this.isAtEnd) throw new RangeError(`Cannot read DER: ${this.#bytes.length - this.#at} bytes after ${what}`);
  }

  /** An object identifier as the hexadecimal digits of its content. */
  objectId(what: string): string {
    return Buffer.from(this.content(TAG.objectId, what)).toString("hex");
  }

  /** X.690 §11.1: true has all its bits set. */
  bool(what: string): boolean {
    const content = this.content(TAG.boolean, what);
    const isBoolean = content.length === 1 && (content[0] === 0 || content[0] === 0xff);
    if (!isBoolean) throw new RangeError(`Cannot read DER: ${what} is no boolean`);
    return content[0] === 0xff;
  }

  /** An integer as the bytes of its two's complement (X.690 §8.3), as few as can be. */
  integer(what: string): Uint8Array {
    const content = this.content(TAG.integer, what);
    const [first, second = 0] = content;
    const isPadded = content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
    if (content.length === 0 || isPadded) throw new RangeError(`Cannot read DER: ${what} is no minimal integer`);
    return content;
  }

  /** A bit string of whole bytes. */
  bitString(what: string): Uint8Array {
    const content = this.content(TAG.bitString, what);
    if (content[0] !== 0) throw new RangeError(`Cannot read DER: ${what} is not of whole bytes`);
    return content.subarray(1);
  }

  #take(tag: number, what: string): { contentAt: number; endAt: number } {
    const found = this.nextTag;
    if (found === undefined) throw new RangeError(`Cannot read DER: ${what} is missing`);
    if ((found & 0x1f) === 0x1f) throw new RangeError(`Cannot read DER: ${what} has a tag of several bytes`); // X.690 §8.1.2.4
    if (found !== tag) throw new RangeError(`Cannot read DER: ${what} has tag ${hex(found)}, wanted ${hex(tag)}`);
    this.#at++;
    const length = this.#length(what);
    const contentAt = this.#at;
    if (length > this.#bytes.length - contentAt) throw new RangeError(`Cannot read DER: ${what} is cut off`);
    this.#at += length;
    return { contentAt, endAt: this.#at };
  }

  /** X.690 §8.1.3 and §10.1: one byte below 128, else the count of length bytes and they. */
  #length(what: string): number {
    const first = this.#byte(what);
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0) throw new RangeError(`Cannot read DER: ${what} has no definite length`);
    if (count > MAX_LENGTH_BYTES) throw new RangeError(`Cannot read DER: ${what} has a length of ${count} bytes`);
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte(what);
    if (length < 0x80 || length < 256 ** (count - 1)) {
      throw new RangeError(`Cannot read DER: the length of ${what} is not minimal`);
    }
    return length;
  }

  #byte(what: string): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError(`Cannot read DER: ${what} is cut off`);
    this.#at++;
    return byte;
  }
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, "0")}`;
}
