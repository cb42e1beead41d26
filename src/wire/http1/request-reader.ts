import { type Fields, REMOVED, STRIDE } from "#fields";
import { isTextAnyCase, latin1 } from "#latin1";
import { HTTP_1_0, HTTP_1_1, LENGTH_UNKNOWN, RequestHead } from "#message";
import { TextCache } from "#text-cache";
import { type BodyRangeSink, BodyReader } from "./body-reader.ts";
import {
  BAD_HOST,
  BAD_METHOD,
  BAD_TARGET,
  HEAD_TOO_LARGE,
  LENGTH_AND_CODING,
  TOO_MANY_FIELDS,
  TRUNCATED,
} from "./codes.ts";
import { FieldScanner } from "./field-scanner.ts";
import { ConnectionOptions, isChunked, joinLength, NO_LENGTH } from "./framing.ts";
import { ID } from "./ids.ts";
import { DEFAULT_HTTP1_LIMITS, type Http1Limits } from "./limits.ts";
import { methodText } from "./methods.ts";
import { RequestLineScanner } from "./request-line.ts";
import { SectionReader } from "./section-reader.ts";
import { authorityEnd, isAuthority, isAuthorityWithPort, sameText, schemeLength } from "./target.ts";

/** Hears what a request consists of. Everything lent until the call returns. */
export interface RequestReaderSink extends BodyRangeSink {
  request(head: RequestHead): void;
  /** Trailers only when some came. */
  requestEnd(trailers: Fields | null): void;
}

/**
 * Reads the requests of one HTTP/1.x connection, strictly (RFC 9112): what two parsers could take for different messages is
 * refused. One request at a time: after its end the reader stops, and goes on when told `next`.
 *
 *   HEAD ──> BODY ──> END ──> COMPLETE ──next──> HEAD        TUNNEL: bytes until the connection ends
 *
 * `hold` makes it stop after the event it is in, wherever that is; `release` undoes it, and the owner reads on.
 */
export class RequestReader {
  /** The request being read. Reused for the next. */
  readonly head = new RequestHead();
  /** The client means to send more requests on this connection after this one. */
  keepsAlive = true;
  readonly #sink: RequestReaderSink;
  readonly #line = new RequestLineScanner();
  readonly #fields: FieldScanner;
  readonly #section: SectionReader;
  readonly #body: BodyReader;
  readonly #connection = new ConnectionOptions();
  #state = HEAD;
  #isHeld = false;
  #hasBegun = false;
  #code = 0;

  constructor(sink: RequestReaderSink, limits: Http1Limits = DEFAULT_HTTP1_LIMITS) {
    this.#sink = sink;
    this.#fields = new FieldScanner(this.head.fields, limits.maxFields);
    this.#section = new SectionReader(limits.maxHeadBytes, HEAD_TOO_LARGE);
    this.#body = new BodyReader(limits);
  }

  /** True between requests, when not a byte of the next has come. */
  get isIdle(): boolean {
    return this.#state === HEAD && !this.#hasBegun;
  }

  /** True from the end of a request until `next`. */
  get isComplete(): boolean {
    return this.#state === COMPLETE;
  }

  /** Body bytes of an announced length that have not come; -1 when no length was announced. */
  get remaining(): number {
    return this.#body.remaining;
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Lets the reader begin another request. */
  next(): void {
    if (this.#state !== COMPLETE) return;
    this.#state = HEAD;
    this.#hasBegun = false;
  }

  /** From here on bytes are no HTTP: they go to the sink's `body`. Only between head and next request. */
  tunnel(): void {
    this.#state = BODY;
    this.#body.beginUntilClose();
  }

  /** Reads from `at` as far as it may. Returns the position behind what it used, or a code (the same again ever after). */
  read(chunk: Uint8Array, at: number): number {
    if (this.#code !== 0) return this.#code;
    while (!this.#isHeld) {
      if (this.#state === END) this.#end();
      else if (this.#state === COMPLETE || at >= chunk.length) break;
      else {
        at = this.#state === HEAD ? this.#readHead(chunk, at) : this.#readBody(chunk, at);
        if (at < 0) return (this.#code = at);
      }
    }
    return at;
  }

  /** The connection ended. 0 when it may end here; the end of a tunnel is told to the sink now or when released. */
  eof(): number {
    if (this.#code !== 0) return this.#code;
    if (this.#state === BODY && this.#body.isUntilClose) {
      this.#body.finish();
      this.#state = END;
      return this.read(NO_BYTES, 0);
    }
    return this.isIdle || this.#state >= END ? 0 : (this.#code = TRUNCATED);
  }

  #readHead(chunk: Uint8Array, at: number): number {
    if (!this.#hasBegun) {
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
    this.#state = this.#body.isDone ? END : BODY;
    this.#sink.request(this.head);
    return stopped;
  }

  /** The request line, then the fields, as one section. */
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

  #readBody(chunk: Uint8Array, at: number): number {
    const stopped = this.#body.read(chunk, at, this.#sink);
    if (this.#body.isDone) this.#state = END;
    return stopped;
  }

  #end(): void {
    this.#state = COMPLETE;
    this.head.fields.clear(NO_BYTES); // an idle connection must not hold the last chunk
    const trailers = this.#body.trailers;
    this.#sink.requestEnd(trailers.count > 0 ? trailers : null);
  }

  #finishHead(): number {
    const { head } = this;
    const line = this.#line;
    head.version = line.version;
    head.method = methodText(head.fields.bytes, line.methodStart, line.methodEnd);
    head.scheme = "http";
    head.isAbsoluteForm = false;
    head.isUpgrade = false;
    head.expectsContinue = false;
    const code = this.#readFields();
    return code < 0 ? code : this.#readTarget();
  }

  /** Goes once over the fields that say where the message ends and what becomes of the connection. */
  #readFields(): number {
    const { head } = this;
    const { bytes, at, count } = head.fields;
    const connection = this.#connection;
    connection.clear();
    let length = NO_LENGTH;
    let codings = 0;
    let upgrade = -1;
    this.#hostIndex = -1;
    for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
      const id = at[offset];
      if (id === 0) continue;
      const from = at[offset + 3];
      const to = at[offset + 4];
      if (id === ID.host) {
        if (this.#hostIndex >= 0) return BAD_HOST;
        this.#hostIndex = index;
        if (from < to && !isAuthority(bytes, from, to)) return BAD_HOST;
      } else if (id === ID.contentLength) {
        const had = length;
        length = joinLength(bytes, from, to, length);
        if (length < NO_LENGTH) return length;
        if (had !== NO_LENGTH) at[offset] = REMOVED; // the same number twice: forward it once
      } else if (id === ID.transferEncoding) {
        const code = isChunked(bytes, from, to, head.version, codings++);
        if (code < 0) return code;
      } else if (id === ID.connection) {
        if (!connection.add(bytes, from, to)) return TOO_MANY_FIELDS;
      } else if (id === ID.upgrade) upgrade = index;
      else if (id === ID.expect && head.version === HTTP_1_1)
        head.expectsContinue = isTextAnyCase(bytes, from, to, "100-continue");
    }
    if (this.#hostIndex < 0 && head.version === HTTP_1_1) return BAD_HOST; // RFC 9112 §3.2
    if (codings > 0 && length !== NO_LENGTH) return LENGTH_AND_CODING;
    this.#frame(length, codings > 0);
    this.#decideConnection(upgrade);
    return 0;
  }

  #hostIndex = -1;

  #frame(length: number, isChunkedBody: boolean): void {
    if (isChunkedBody) this.#body.beginChunked();
    else this.#body.beginLength(length === NO_LENGTH ? 0 : length);
    this.head.bodyLength = isChunkedBody ? LENGTH_UNKNOWN : Math.max(0, length);
    if (this.head.bodyLength === 0) this.head.expectsContinue = false;
  }

  #decideConnection(upgradeIndex: number): void {
    const { head } = this;
    const connection = this.#connection;
    this.keepsAlive = !connection.hasClose && (head.version === HTTP_1_1 || connection.hasKeepAlive);
    // With a body it is taken as a plain request: nobody sends one but for h2c, and its end would be ambiguous.
    if (upgradeIndex < 0 || !connection.hasUpgrade || head.version === HTTP_1_0 || head.bodyLength !== 0) return;
    const { at, bytes } = head.fields;
    const offset = upgradeIndex * STRIDE;
    head.isUpgrade = at[offset + 3] < at[offset + 4] && !isTextAnyCase(bytes, at[offset + 3], at[offset + 4], "h2c");
  }

  /** RFC 9112 §3.2: origin, absolute, authority (CONNECT and no other) or asterisk (OPTIONS and no other). */
  #readTarget(): number {
    const { head } = this;
    const { bytes } = head.fields;
    const { targetStart: from, targetEnd: to } = this.#line;
    head.authority = this.#hostIndex < 0 ? "" : this.#hostText();
    if (head.method === "CONNECT") return this.#connectTarget(bytes, from, to);
    if (bytes[from] === SLASH) {
      head.path = PATHS.latin1(bytes, from, to);
      return 0;
    }
    if (bytes[from] === ASTERISK && to === from + 1) {
      head.path = "*";
      return head.method === "OPTIONS" ? 0 : BAD_TARGET;
    }
    return this.#absoluteTarget(bytes, from, to);
  }

  #hostText(): string {
    const { bytes, at } = this.head.fields;
    const offset = this.#hostIndex * STRIDE;
    return HOSTS.latin1(bytes, at[offset + 3], at[offset + 4]);
  }

  #connectTarget(bytes: Uint8Array, from: number, to: number): number {
    if (!isAuthorityWithPort(bytes, from, to)) return BAD_TARGET;
    if (this.head.bodyLength !== 0) return BAD_METHOD; // RFC 9110 §9.3.6: content has no defined meaning, and hides a request
    this.#takeAuthority(bytes, from, to);
    this.head.path = "";
    this.head.isUpgrade = true;
    return 0;
  }

  #absoluteTarget(bytes: Uint8Array, from: number, to: number): number {
    const skipped = schemeLength(bytes, from, to);
    if (skipped === 0) return BAD_TARGET;
    const start = from + skipped;
    const end = authorityEnd(bytes, start, to);
    if (!isAuthority(bytes, start, end)) return BAD_TARGET;
    this.#takeAuthority(bytes, start, end);
    this.head.isAbsoluteForm = true;
    this.head.scheme = skipped === 8 ? "https" : "http";
    this.head.path = latin1(bytes, end, to);
    if (end === to || bytes[end] !== SLASH) this.head.path = `/${this.head.path}`;
    return 0;
  }

  /** RFC 9112 §3.2.2: the target's host replaces what Host says, so that no one behind us can take the other. */
  #takeAuthority(bytes: Uint8Array, from: number, to: number): void {
    const { head } = this;
    head.authority = latin1(bytes, from, to);
    if (this.#hostIndex < 0) return;
    const { at } = head.fields;
    const offset = this.#hostIndex * STRIDE;
    if (sameText(bytes, at[offset + 3], at[offset + 4], from, to)) return;
    at[offset + 3] = from;
    at[offset + 4] = to;
  }
}

const PATHS = new TextCache();
const HOSTS = new TextCache();
const SLASH = 0x2f;
const ASTERISK = 0x2a;
const NO_BYTES = new Uint8Array(0);

const HEAD = 0;
const BODY = 1;
const END = 2;
const COMPLETE = 3;
