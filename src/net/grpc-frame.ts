/** A message with its five-byte prefix: made once, then sent to any number of streams. Never change it. */
export type GrpcFrame = Uint8Array & { readonly isGrpcFrame?: true };

/** How messages of one type become bytes and back; the generated types in `#proto` fit. */
export interface GrpcCodec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

const PREFIX_BYTES = 5; // one flag (compressed or not), four bytes of length

/** Frames an encoded message, uncompressed. */
export function frameMessage(message: Uint8Array): GrpcFrame {
  const frame = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

export type FrameFault = "compressed" | "too-large";

/** Cuts a stream of chunks into messages. Holds at most one message, so at most `maxMessageBytes`. */
export class FrameReader {
  readonly #maxMessageBytes: number;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #wantedBytes = PREFIX_BYTES;
  #isInMessage = false;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** True when the stream may end here: no half message is held. */
  get isAtBoundary(): boolean {
    return this.#heldBytes === 0 && !this.#isInMessage;
  }

  /** Calls `take` for every message that `chunk` completes. A fault ends the stream: do not push again. */
  push(chunk: Uint8Array, take: (message: Uint8Array) => void): FrameFault | undefined {
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    while (this.#heldBytes >= this.#wantedBytes) {
      const piece = this.#shift(this.#wantedBytes);
      if (this.#isInMessage) {
        this.#expect(PREFIX_BYTES, false);
        take(piece);
        continue;
      }
      if (piece[0] !== 0) return "compressed";
      const length = new DataView(piece.buffer, piece.byteOffset).getUint32(1);
      if (length > this.#maxMessageBytes) return "too-large";
      this.#expect(length, true);
    }
    return undefined;
  }

  #expect(bytes: number, isInMessage: boolean): void {
    this.#wantedBytes = bytes;
    this.#isInMessage = isInMessage;
  }

  #shift(count: number): Uint8Array {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#heldBytes -= count;
    this.#chunks = this.#heldBytes > 0 ? [all.subarray(count)] : [];
    return all.subarray(0, count);
  }
}
