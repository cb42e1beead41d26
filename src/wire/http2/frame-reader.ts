import { copyBytes } from "#output";
import { DATA, DEFAULT_FRAME_BYTES, FRAME_HEADER_BYTES, PADDED, readUint31 } from "./frame.ts";

/**
 * Takes frames as they are cut out of the byte stream. Each call answers whether to go on: false stops reading for good
 * (the connection failed). Views are lent until the call returns.
 */
export interface FrameSink {
  /** A frame begins; `length` is its payload's. Refuses what is too long before a byte of it is kept. */
  frameBegins(type: number, flags: number, streamId: number, length: number): boolean;
  /** Payload of a DATA frame without padding, in as many pieces as it came. */
  dataPiece(streamId: number, bytes: Uint8Array, from: number, to: number): boolean;
  /** The DATA frame is complete. */
  dataEnds(flags: number, streamId: number): boolean;
  /** A padding length that leaves no room for its own frame (RFC 9113 §6.1). */
  badPadding(): boolean;
  /** Any other frame with its whole payload, padding included. */
  frame(type: number, flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean;
}

/**
 * Cuts the byte stream into frames. DATA passes through in pieces; of other frames it keeps at most one unfinished
 * payload, which `frameBegins` has bounded.
 *
 *   HEADER -> PAYLOAD -> HEADER            (all but DATA)
 *   HEADER -> [PAD_LENGTH] -> PIECES -> [PADDING] -> HEADER    (DATA)
 */
export class FrameReader {
  readonly #sink: FrameSink;
  #state = HEADER;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Bytes of header or payload still to come, without what `#kept` holds. */
  #missing = FRAME_HEADER_BYTES;
  #padding = 0;
  #kept = new Uint8Array(64);
  #keptCount = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Reads [from, to). False once the sink said stop. */
  read(bytes: Uint8Array, from: number, to: number): boolean {
    let at = from;
    while (at < to) {
      switch (this.#state) {
        case HEADER:
          at = this.#header(bytes, at, to);
          break;
        case PAYLOAD:
          at = this.#payload(bytes, at, to);
          break;
        case PAD_LENGTH:
          at = this.#padLength(bytes, at);
          break;
        case PIECES:
          at = this.#pieces(bytes, at, to);
          break;
        default:
          at = this.#skipPadding(at, to);
      }
      if (at < 0) return false;
    }
    return true;
  }

  #header(bytes: Uint8Array, at: number, to: number): number {
    if (this.#keptCount === 0 && to - at >= FRAME_HEADER_BYTES) {
      return this.#begin(bytes, at) ? at + FRAME_HEADER_BYTES : STOP;
    }
    const next = this.#keep(bytes, at, to);
    if (this.#missing > 0) return next;
    this.#keptCount = 0;
    return this.#begin(this.#kept, 0) ? next : STOP;
  }

  #begin(bytes: Uint8Array, at: number): boolean {
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    this.#type = bytes[at + 3];
    this.#flags = bytes[at + 4];
    this.#streamId = readUint31(bytes, at + 5);
    this.#missing = length;
    this.#padding = 0;
    if (!this.#sink.frameBegins(this.#type, this.#flags, this.#streamId, length)) return false;
    if (this.#type !== DATA) this.#state = PAYLOAD;
    else if ((this.#flags & PADDED) === 0) this.#state = PIECES;
    else if (length === 0) return this.#sink.badPadding();
    else this.#state = PAD_LENGTH;
    return length > 0 || this.#finish(EMPTY, 0, 0);
  }

  #payload(bytes: Uint8Array, at: number, to: number): number {
    if (this.#keptCount === 0 && to - at >= this.#missing) {
      const end = at + this.#missing;
      return this.#finish(bytes, at, end) ? end : STOP;
    }
    const next = this.#keep(bytes, at, to);
    if (this.#missing > 0) return next;
    const count = this.#keptCount;
    this.#keptCount = 0;
    const goesOn = this.#finish(this.#kept, 0, count);
    if (this.#kept.length > DEFAULT_FRAME_BYTES) this.#kept = new Uint8Array(64);
    return goesOn ? next : STOP;
  }

  #padLength(bytes: Uint8Array, at: number): number {
    this.#padding = bytes[at];
    this.#missing--;
    if (this.#padding > this.#missing) return this.#sink.badPadding() ? at + 1 : STOP;
    this.#missing -= this.#padding;
    this.#state = PIECES;
    return this.#missing > 0 || this.#piecesEnd() ? at + 1 : STOP;
  }

  #pieces(bytes: Uint8Array, at: number, to: number): number {
    const end = Math.min(to, at + this.#missing);
    this.#missing -= end - at;
    if (!this.#sink.dataPiece(this.#streamId, bytes, at, end)) return STOP;
    return this.#missing > 0 || this.#piecesEnd() ? end : STOP;
  }

  #piecesEnd(): boolean {
    if (this.#padding === 0) return this.#finish(EMPTY, 0, 0);
    this.#missing = this.#padding;
    this.#state = PADDING;
    return true;
  }

  #skipPadding(at: number, to: number): number {
    const end = Math.min(to, at + this.#missing);
    this.#missing -= end - at;
    return this.#missing > 0 || this.#finish(EMPTY, 0, 0) ? end : STOP;
  }

  #finish(bytes: Uint8Array, from: number, to: number): boolean {
    this.#state = HEADER;
    this.#missing = FRAME_HEADER_BYTES;
    if (this.#type === DATA) return this.#sink.dataEnds(this.#flags, this.#streamId);
    return this.#sink.frame(this.#type, this.#flags, this.#streamId, bytes, from, to);
  }

  /** Keeps bytes of an unfinished header or payload; returns where reading goes on. */
  #keep(bytes: Uint8Array, at: number, to: number): number {
    const end = Math.min(to, at + this.#missing);
    const wanted = this.#keptCount + this.#missing;
    if (wanted > this.#kept.length) {
      const wider = new Uint8Array(wanted);
      copyBytes(this.#kept, 0, this.#keptCount, wider, 0);
      this.#kept = wider;
    }
    copyBytes(bytes, at, end, this.#kept, this.#keptCount);
    this.#keptCount += end - at;
    this.#missing -= end - at;
    return end;
  }
}

const STOP = -1;
const HEADER = 0;
const PAYLOAD = 1;
const PAD_LENGTH = 2;
const PIECES = 3;
const PADDING = 4;
const EMPTY = new Uint8Array(0);
