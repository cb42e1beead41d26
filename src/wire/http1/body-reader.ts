import { Fields, idOf } from "#fields";
import { CR, FIELD_VALUE, HEX, HTAB, LF, SEMICOLON, SP, TOKEN } from "./classes.ts";
import {
  BAD_CHUNK_END,
  BAD_CHUNK_EXTENSION,
  BAD_CHUNK_SIZE,
  BARE_CR,
  CHUNK_LINES_TOO_LARGE,
  TRAILERS_TOO_LARGE,
} from "./codes.ts";
import { FieldScanner } from "./field-scanner.ts";
import type { Http1Limits } from "./limits.ts";
import { SectionReader } from "./section-reader.ts";

/** Takes body bytes as ranges of the chunk they came in. */
export interface BodyRangeSink {
  body(chunk: Uint8Array, from: number, to: number): void;
}

/**
 * Finds the end of a message body (RFC 9112 §6, §7) and hands its bytes on without framing. It stops after each range it
 * hands on, so that whoever is full can hold the reader.
 *
 *   LENGTH ──> done          CLOSE: until the connection ends
 *   SIZE ─┬─> SIZE_LF ──> DATA ──> DATA_CR ──> DATA_LF ──> SIZE
 *         │      └─ size 0 ──> TRAILERS ──> done
 *         └─";"─> EXT_START ──> EXT ──CR──> SIZE_LF
 */
export class BodyReader {
  isDone = true;
  /** Trailer fields of the last chunked message; empty otherwise. */
  readonly trailers = new Fields();
  readonly #scanner: FieldScanner;
  readonly #section: SectionReader;
  readonly #maxOverhead: number;
  #state = LENGTH;
  #remaining = 0;
  #digits = 0;
  #overhead = 0; // bytes of chunk extensions that no data pays for

  constructor(limits: Http1Limits) {
    this.#scanner = new FieldScanner(this.trailers, limits.maxFields);
    this.#section = new SectionReader(limits.maxTrailerBytes, TRAILERS_TOO_LARGE);
    this.#maxOverhead = limits.maxChunkOverheadBytes;
  }

  beginLength(length: number): void {
    this.#begin(LENGTH);
    this.#remaining = length;
    this.isDone = length === 0;
  }

  beginChunked(): void {
    this.#begin(SIZE);
    this.#remaining = 0;
    this.#digits = 0;
    this.#overhead = 0;
  }

  /** Until `finish`. */
  beginUntilClose(): void {
    this.#begin(CLOSE);
  }

  get isUntilClose(): boolean {
    return this.#state === CLOSE && !this.isDone;
  }

  /** Bytes still to come of an announced length; -1 when it is not known. */
  get remaining(): number {
    return this.#state === LENGTH ? this.#remaining : -1;
  }

  /** The connection ended a body that lasts until then. */
  finish(): void {
    this.isDone = true;
  }

  /** Returns the position after one range of data or at the chunk's end, or a code. */
  read(chunk: Uint8Array, at: number, sink: BodyRangeSink): number {
    while (at < chunk.length && !this.isDone) {
      switch (this.#state) {
        case LENGTH:
        case DATA:
          return this.#data(chunk, at, sink);
        case CLOSE:
          sink.body(chunk, at, chunk.length);
          return chunk.length;
        case TRAILERS:
          at = this.#trailers(chunk, at);
          break;
        default:
          at = this.#framing(chunk, at);
      }
      if (at < 0) return at;
    }
    return at;
  }

  #begin(state: number): void {
    this.isDone = false;
    this.#state = state;
    if (this.trailers.count > 0) this.trailers.clear(NO_BYTES);
  }

  #data(chunk: Uint8Array, at: number, sink: BodyRangeSink): number {
    const to = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= to - at;
    if (this.#state === DATA) {
      this.#overhead = Math.max(0, this.#overhead - 2 * (to - at));
      if (this.#remaining === 0) this.#state = DATA_CR;
    } else if (this.#remaining === 0) this.isDone = true;
    sink.body(chunk, at, to);
    return to;
  }

  #framing(chunk: Uint8Array, at: number): number {
    switch (this.#state) {
      case SIZE:
        return this.#size(chunk, at);
      case EXT_START:
        return this.#extensionStart(chunk, at);
      case EXT:
        return this.#extension(chunk, at);
      case SIZE_LF:
        return this.#sizeLf(chunk, at);
      case DATA_CR:
        this.#state = DATA_LF;
        return chunk[at] === CR ? at + 1 : BAD_CHUNK_END;
      default:
        this.#state = SIZE;
        return chunk[at] === LF ? at + 1 : BAD_CHUNK_END;
    }
  }

  #size(chunk: Uint8Array, at: number): number {
    for (; at < chunk.length; at++) {
      const digit = HEX[chunk[at]];
      if (digit === 255) return this.#sizeEnd(chunk[at], at);
      if (++this.#digits > MAX_SIZE_DIGITS) return BAD_CHUNK_SIZE;
      this.#remaining = this.#remaining * 16 + digit;
    }
    return at;
  }

  /** What may follow a size: the line's end or `;`. White space between is allowed by none of the strict (RFC 9112 §7.1). */
  #sizeEnd(byte: number, at: number): number {
    if (this.#digits === 0) return BAD_CHUNK_SIZE;
    if (byte === CR) this.#state = SIZE_LF;
    else if (byte === SEMICOLON) this.#state = EXT_START;
    else return BAD_CHUNK_SIZE;
    return at + 1;
  }

  #extensionStart(chunk: Uint8Array, at: number): number {
    const byte = chunk[at];
    if (byte === SP || byte === HTAB) return this.#spend(at + 1, 1);
    if (TOKEN[byte] !== 1) return BAD_CHUNK_EXTENSION;
    this.#state = EXT;
    return at;
  }

  #extension(chunk: Uint8Array, at: number): number {
    const from = at;
    while (at < chunk.length && FIELD_VALUE[chunk[at]] === 1) at++;
    if (at < chunk.length) {
      if (chunk[at] !== CR) return BAD_CHUNK_EXTENSION;
      this.#state = SIZE_LF;
      at++;
    }
    return this.#spend(at, at - from);
  }

  /** Extensions are skipped, yet cost us reading: without data to pay for them they end the connection (CVE-2023-39326). */
  #spend(at: number, count: number): number {
    this.#overhead += count;
    return this.#overhead > this.#maxOverhead ? CHUNK_LINES_TOO_LARGE : at;
  }

  #sizeLf(chunk: Uint8Array, at: number): number {
    if (chunk[at] !== LF) return BARE_CR;
    this.#digits = 0;
    this.#overhead = Math.max(0, this.#overhead - FREE_EXTENSION_BYTES);
    if (this.#remaining > 0) this.#state = DATA;
    else {
      this.#state = TRAILERS;
      this.#scanner.begin();
    }
    return at + 1;
  }

  #trailers(chunk: Uint8Array, at: number): number {
    const stopped = this.#section.read(this.#scanner, chunk, at);
    if (stopped < 0 || !this.#scanner.isDone) return stopped;
    this.trailers.bytes = this.#section.bytes;
    this.#section.release();
    dropForbidden(this.trailers);
    this.isDone = true;
    return stopped;
  }
}

/** RFC 9110 §6.5.1: fields for framing, routing and connections mean nothing in trailers; a recipient must not merge them. */
function dropForbidden(trailers: Fields): void {
  for (let index = 0; index < trailers.count; index++) {
    const id = trailers.id(index);
    if (FORBIDDEN[id] === 1) trailers.remove(index);
  }
}

const FORBIDDEN = new Uint8Array(256);
for (const name of [
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "keep-alive",
  "proxy-connection",
  "expect",
  "content-type",
  "l5d-orig-proto",
  "l5d-client-id",
  "l5d-dst-canonical",
  "l5d-dst-override",
  "l5d-require-id",
  "l5d-proxy-error",
  "l5d-proxy-connection",
])
  FORBIDDEN[idOf(name)] = 1;

const NO_BYTES = new Uint8Array(0);
/** 16^13 - 1 is below 2^53: sizes stay exact numbers. */
const MAX_SIZE_DIGITS = 13;
/** Go's allowance: 16 bytes per chunk and twice its data are no excess. */
const FREE_EXTENSION_BYTES = 16;

const LENGTH = 0;
const CLOSE = 1;
const SIZE = 2;
const EXT_START = 3;
const EXT = 4;
const SIZE_LF = 5;
const DATA = 6;
const DATA_CR = 7;
const DATA_LF = 8;
const TRAILERS = 9;
