import { OutputBuffer } from "#output";
import { END_HEADERS, HAS_PRIORITY, PADDED, readUint31 } from "./frame.ts";

/**
 * Puts a header block together from HEADERS and CONTINUATION (RFC 9113 §4.3). A block in one frame, the usual case, is
 * not copied: it is [from, to) of that frame.
 *
 * Limit: twice the largest header list we take, checked by `hasRoom` before a byte is kept.
 */
export class HeaderCollector {
  readonly #kept: OutputBuffer;
  /** The stream whose block is unfinished; 0 when none. */
  streamId = 0;
  /** The flags of its HEADERS frame. */
  flags = 0;
  /** Its priority names the stream itself: an error of the stream, once the block is decoded (RFC 9113 §5.3.1). */
  isSelfDependent = false;
  /** Where the HEADERS frame has its part of the block. */
  from = 0;
  to = 0;

  constructor(maxListBytes: number) {
    this.#kept = new OutputBuffer(maxListBytes * 2);
  }

  /** The parts collected until now. */
  get kept(): OutputBuffer {
    return this.#kept;
  }

  hasRoom(length: number): boolean {
    return this.#kept.size + length <= this.#kept.maxBytes;
  }

  /** A HEADERS frame: strips padding and priority. The reason when they are wrong (PROTOCOL_ERROR), else "". */
  begin(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): string {
    this.flags = flags;
    this.isSelfDependent = false;
    this.from = from;
    this.to = to;
    if ((flags & PADDED) !== 0 && !this.#stripPadding(bytes)) return BAD_PADDING;
    if ((flags & HAS_PRIORITY) !== 0 && !this.#stripPriority(streamId, bytes)) return NO_PRIORITY;
    if (this.to < this.from) return BAD_PADDING;
    if ((flags & END_HEADERS) === 0) {
      this.streamId = streamId;
      this.#kept.appendRange(bytes, this.from, this.to);
    }
    return "";
  }

  /** A CONTINUATION frame; with `isLast`, `kept` is the whole block until `clear`. */
  append(bytes: Uint8Array, from: number, to: number, isLast: boolean): void {
    this.#kept.appendRange(bytes, from, to);
    if (isLast) this.streamId = 0;
  }

  /** The block has been decoded. */
  clear(): void {
    this.#kept.clear();
  }

  #stripPadding(bytes: Uint8Array): boolean {
    if (this.from === this.to) return false;
    this.to -= bytes[this.from++];
    return true;
  }

  #stripPriority(streamId: number, bytes: Uint8Array): boolean {
    if (this.to - this.from < 5) return false;
    this.isSelfDependent = readUint31(bytes, this.from) === streamId;
    this.from += 5;
    return true;
  }
}

const BAD_PADDING = "padding longer than its frame";
const NO_PRIORITY = "a HEADERS frame without room for its priority";
