/** What can be wrong with length-prefixed messages. */
export const MESSAGES_OK = 0;
/** The compressed flag is set, and no encoding was agreed. */
export const MESSAGE_COMPRESSED = 1;
/** A flag byte that is neither 0 nor 1. */
export const MESSAGE_BAD_FLAG = 2;
export const MESSAGE_TOO_LARGE = 3;

/** Takes whole messages. */
export interface MessageTaker {
  message(bytes: Uint8Array): void;
}

/**
 * Cuts a body into gRPC messages (a flag byte, four bytes of length, the message). Holds at most one unfinished message
 * of `maxMessageBytes`, and no more than twice what of it has come: a length alone makes nobody set memory aside. The
 * bytes given to `message` are the taker's to keep.
 */
export class MessageReader {
  readonly #maxMessageBytes: number;
  readonly #taker: MessageTaker;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixCount = 0;
  #body: Uint8Array | null = null;
  #bodyCount = 0;
  #bodyBytes = 0;

  constructor(maxMessageBytes: number, taker: MessageTaker) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#taker = taker;
  }

  /** True between messages: a body that ends elsewhere was cut short. */
  get isAtBoundary(): boolean {
    return this.#prefixCount === 0 && this.#body === null;
  }

  /** Reads [from, to). What comes back is not `MESSAGES_OK` once; nothing may be read after that. */
  read(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#body === null) {
        this.#prefix[this.#prefixCount++] = bytes[at++];
        if (this.#prefixCount === PREFIX_BYTES) {
          const fault = this.#begin();
          if (fault !== MESSAGES_OK) return fault;
        }
      } else at = this.#fill(this.#body, bytes, at, to);
    }
    return MESSAGES_OK;
  }

  #begin(): number {
    const prefix = this.#prefix;
    const flag = prefix[0];
    if (flag !== 0) return flag === 1 ? MESSAGE_COMPRESSED : MESSAGE_BAD_FLAG;
    // Not through a view, which would give five bytes a storage object of their own.
    const length = ((prefix[1] << 24) | (prefix[2] << 16) | (prefix[3] << 8) | prefix[4]) >>> 0;
    if (length > this.#maxMessageBytes) return MESSAGE_TOO_LARGE;
    this.#prefixCount = 0;
    if (length === 0) this.#taker.message(new Uint8Array(0));
    else this.#body = new Uint8Array(Math.min(length, FIRST_BYTES));
    this.#bodyBytes = length;
    return MESSAGES_OK;
  }

  #fill(body: Uint8Array, bytes: Uint8Array, at: number, to: number): number {
    const end = Math.min(to, at + this.#bodyBytes - this.#bodyCount);
    const count = this.#bodyCount + end - at;
    const target = count > body.length ? this.#grow(body, count) : body;
    target.set(bytes.subarray(at, end), this.#bodyCount);
    this.#bodyCount = count;
    if (count === this.#bodyBytes) {
      this.#body = null;
      this.#bodyCount = 0;
      this.#taker.message(target);
    }
    return end;
  }

  #grow(body: Uint8Array, wantedBytes: number): Uint8Array {
    const wider = new Uint8Array(Math.min(this.#bodyBytes, Math.max(wantedBytes, 2 * body.length)));
    wider.set(body.subarray(0, this.#bodyCount));
    this.#body = wider;
    return wider;
  }
}

/** One message with its prefix, uncompressed. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const framed = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(framed.buffer).setUint32(1, message.length);
  framed.set(message, PREFIX_BYTES);
  return framed;
}

const PREFIX_BYTES = 5;
const FIRST_BYTES = 16_384;
