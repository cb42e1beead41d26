import type { Transport } from "#net/transport";
import { OutputBuffer } from "#output";

/**
 * The sending half of one connection: what codecs appended to `buffer` goes to the transport in as few writes as possible.
 * A short write leaves the rest until `drain`. Limits: producers are told "full" at 64 KiB; `OutputBuffer` ends it all at 2 MiB.
 */
export class Outbox {
  readonly buffer = new OutputBuffer();
  /** The transport has taken bytes. Whoever asks sets it back. */
  hasSent = false;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get isEmpty(): boolean {
    return this.buffer.end === this.buffer.start;
  }

  /** Producers must stop. */
  get isFull(): boolean {
    return this.buffer.size >= HIGH_BYTES;
  }

  /** Producers that had to stop may go on. */
  get hasRoom(): boolean {
    return this.buffer.size <= LOW_BYTES;
  }

  /** Adds bytes behind what is pending. Large ranges go straight to the transport instead of through the buffer. */
  send(chunk: Uint8Array, from: number, to: number): void {
    if (to - from < DIRECT_BYTES) {
      this.buffer.appendRange(chunk, from, to);
      return;
    }
    this.flush();
    const sent = this.isEmpty ? Math.max(0, this.#transport.write(chunk, from, to)) : 0;
    if (sent > 0) this.hasSent = true;
    if (from + sent < to) this.buffer.appendRange(chunk, from + sent, to);
  }

  /** Writes what the transport takes now. True when it took any. */
  flush(): boolean {
    const { buffer } = this;
    if (this.isEmpty) return false;
    const sent = this.#transport.write(buffer.bytes, buffer.start, buffer.end);
    if (sent <= 0) return false;
    this.hasSent = true;
    buffer.consume(sent);
    return true;
  }
}

const HIGH_BYTES = 64 * 1024;
const LOW_BYTES = 16 * 1024;
/** A write of its own (about 3 µs) costs less than copying this much twice. */
const DIRECT_BYTES = 64 * 1024;
