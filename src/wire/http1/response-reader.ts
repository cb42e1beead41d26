import { type Fields, REMOVED, STRIDE } from "#fields";
import { latin1 } from "#latin1";
import { HTTP_1_0, HTTP_1_1, LENGTH_UNKNOWN, ResponseHead } from "#message";
import { type BodyRangeSink, BodyReader } from "./body-reader.ts";
import {
  BAD_UPGRADE,
  HEAD_TOO_LARGE,
  LENGTH_AND_CODING,
  TOO_MANY_FIELDS,
  TRUNCATED,
  UNASKED_RESPONSE,
} from "./codes.ts";
import { FieldScanner } from "./field-scanner.ts";
import { ConnectionOptions, isChunked, joinLength, NO_LENGTH } from "./framing.ts";
import { ID } from "./ids.ts";
import { DEFAULT_HTTP1_LIMITS, type Http1Limits } from "./limits.ts";
import { SectionReader } from "./section-reader.ts";
import { StatusLineScanner } from "./status-line.ts";

/** Hears what a response consists of. Everything lent until the call returns. */
export interface ResponseReaderSink extends BodyRangeSink {
  /** Once for each 1xx, then for the final head. 101 (when asked for) and 2xx to CONNECT are final: bytes follow as body. */
  response(head: ResponseHead): void;
  responseEnd(trailers: Fields | null): void;
}

/**
 * Reads the responses of one HTTP/1.x connection, strictly. Before each response it must be told what was asked, because the
 * request decides whether a body follows (RFC 9112 §6.3). Bytes that come unasked are an error.
 *
 *   IDLE ──expect──> HEAD ──> BODY ──> END ──> IDLE          1xx: HEAD ──> HEAD
 */
export class ResponseReader {
  /** The response being read. Reused for the next. */
  readonly head = new ResponseHead();
  /** The server means to keep the connection after this response. */
  keepsAlive = true;
  readonly #sink: ResponseReaderSink;
  readonly #line = new StatusLineScanner();
  readonly #fields: FieldScanner;
  readonly #section: SectionReader;
  readonly #body: BodyReader;
  readonly #connection = new ConnectionOptions();
  #state = IDLE;
  #isHeld = false;
  #hasBegun = false;
  #code = 0;
  #method = "";
  #asksUpgrade = false;

  constructor(sink: ResponseReaderSink, limits: Http1Limits = DEFAULT_HTTP1_LIMITS) {
    this.#sink = sink;
    this.#fields = new FieldScanner(this.head.fields, limits.maxFields);
    this.#section = new SectionReader(limits.maxHeadBytes, HEAD_TOO_LARGE);
    this.#body = new BodyReader(limits);
  }

  /** True when no response is due. */
  get isIdle(): boolean {
    return this.#state === IDLE;
  }

  /** True when the response has begun, be it by one byte. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The connection is a tunnel since the last head. */
  get isTunnel(): boolean {
    return this.#state !== IDLE && this.#isTunnel;
  }

  #isTunnel = false;
  #interimCount = 0;

  /** A request with this method was sent; `asksUpgrade` when it may be answered with 101. Only while idle. */
  expect(method: string, asksUpgrade: boolean): void {
    this.#state = HEAD;
    this.#hasBegun = false;
    this.#method = method;
    this.#asksUpgrade = asksUpgrade;
    this.#isTunnel = false;
    this.#interimCount = 0;
    this.keepsAlive = true;
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Reads from `at` as far as it may. Returns the position behind what it used, or a code (the same again ever after). */
  read(chunk: Uint8Array, at: number): number {
    if (this.#code !== 0) return this.#code;
    while (!this.#isHeld) {
      if (this.#state === END) this.#end();
      else if (at >= chunk.length) break;
      else {
        at = this.#step(chunk, at);
        if (at < 0) return (this.#code = at);
      }
    }
    return at;
  }

  /** The connection ended. 0 when it may end here; a body that lasts until now is ended, now or when released. */
  eof(): number {
    if (this.#code !== 0) return this.#code;
    if (this.#state === BODY && this.#body.isUntilClose) {
      this.#body.finish();
      this.#state = END;
      return this.read(NO_BYTES, 0);
    }
    return this.#state === IDLE || this.#state === END ? 0 : (this.#code = TRUNCATED);
  }

  #step(chunk: Uint8Array, at: number): number {
    if (this.#state === IDLE) return UNASKED_RESPONSE;
    if (this.#state === HEAD) return this.#readHead(chunk, at);
    const stopped = this.#body.read(chunk, at, this.#sink);
    if (this.#body.isDone) this.#state = END;
    return stopped;
  }

  #readHead(chunk: Uint8Array, at: number): number {
    if (!this.#hasBegun || this.#scanner.isDone) {
      this.#hasBegun = true;
      this.#scanner.isDone = false;
      this.#line.begin();
      this.#fields.begin();
    }
    const stopped = this.#section.read(this.#scanner, chunk, at);
    if (stopped < 0 || !this.#fields.isDone) return stopped;
    this.head.fields.bytes = this.#section.bytes;
    this.#section.release();
    const code = this.#finishHead();
    if (code < 0) return code;
    if (!isInterim(this.head.status)) this.#state = this.#body.isDone ? END : BODY;
    else if (++this.#interimCount > MAX_INTERIM) return UNASKED_RESPONSE;
    this.#sink.response(this.head);
    return stopped;
  }

  /** The status line, then the fields, as one section. */
  readonly #scanner = {
    isDone: false,
    scan: (bytes: Uint8Array, at: number, to: number): number => {
      if (!this.#line.isDone) {
        at = this.#line.scan(bytes, at, to);
        if (at < 0 || !this.#line.isDone) return at;
      }
      at = this.#fields.scan(bytes, at, to);
      this.#scanner.isDone = this.#fields.isDone;
      return at;
    },
    rebase: (by: number): void => {
      this.#line.rebase(by);
      this.#fields.rebase(by);
    },
  };

  #end(): void {
    this.#state = IDLE;
    this.head.fields.clear(NO_BYTES); // an idle connection must not hold the last chunk
    const trailers = this.#body.trailers;
    this.#sink.responseEnd(trailers.count > 0 ? trailers : null);
  }

  #finishHead(): number {
    const { head } = this;
    const line = this.#line;
    head.version = line.version;
    head.status = line.status;
    head.reason = line.reasonEnd > line.reasonStart ? reasonText(head, line.reasonStart, line.reasonEnd) : "";
    const { bytes, at, count } = head.fields;
    const connection = this.#connection;
    connection.clear();
    let length = NO_LENGTH;
    let codings = 0;
    for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
      const id = at[offset];
      if (id === ID.contentLength) {
        const had = length;
        length = joinLength(bytes, at[offset + 3], at[offset + 4], length);
        if (length < NO_LENGTH) return length;
        if (had !== NO_LENGTH) at[offset] = REMOVED;
      } else if (id === ID.transferEncoding) {
        const code = isChunked(bytes, at[offset + 3], at[offset + 4], head.version, codings++);
        if (code < 0) return code;
      } else if (id === ID.connection && !connection.add(bytes, at[offset + 3], at[offset + 4])) return TOO_MANY_FIELDS;
    }
    if (codings > 0 && length !== NO_LENGTH) return LENGTH_AND_CODING;
    this.keepsAlive = !connection.hasClose && (head.version === HTTP_1_1 || connection.hasKeepAlive);
    return this.#frame(length, codings > 0);
  }

  /** RFC 9112 §6.3, in its order. */
  #frame(length: number, isChunkedBody: boolean): number {
    const { head } = this;
    const { status } = head;
    if (status === 101 && (!this.#asksUpgrade || head.version === HTTP_1_0)) return BAD_UPGRADE;
    this.#isTunnel = status === 101 || (this.#method === "CONNECT" && status >= 200 && status <= 299);
    if (this.#isTunnel) return this.#untilClose();
    if (this.#method === "HEAD" || status < 200 || status === 204 || status === 304) {
      this.#body.beginLength(0);
      head.bodyLength = 0;
    } else if (isChunkedBody) {
      this.#body.beginChunked();
      head.bodyLength = LENGTH_UNKNOWN;
    } else if (length !== NO_LENGTH) {
      this.#body.beginLength(length);
      head.bodyLength = length;
    } else return this.#untilClose();
    return 0;
  }

  #untilClose(): number {
    this.#body.beginUntilClose();
    this.head.bodyLength = LENGTH_UNKNOWN;
    this.keepsAlive = false;
    return 0;
  }
}

/** 101 is the last head of its connection, the other 1xx come before the final one. */
function isInterim(status: number): boolean {
  return status < 200 && status !== 101;
}

/** The usual phrases without making a string. */
function reasonText(head: ResponseHead, from: number, to: number): string {
  const { bytes } = head.fields;
  if (to - from === 2 && bytes[from] === 0x4f && bytes[from + 1] === 0x4b) return "OK";
  return latin1(bytes, from, to);
}

const NO_BYTES = new Uint8Array(0);
/** Interim responses per request: each costs a head written to the client. */
const MAX_INTERIM = 64;

const IDLE = 0;
const HEAD = 1;
const BODY = 2;
const END = 3;
