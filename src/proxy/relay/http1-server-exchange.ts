import { type Fields, HeaderLine } from "#fields";
import {
  BODILESS,
  BODY_NOT_SENT,
  BY_CHUNKS,
  BY_CLOSE,
  BY_LENGTH,
  type Delimiter,
  type RequestReader,
  writeLastChunk,
  writeResponseHead,
} from "#http1";
import { HTTP_1_0, HTTP_1_1, type RequestHead, type ResponseHead } from "#message";
import { RelayError } from "../errors.ts";
import { sendChunk } from "./chunk-sender.ts";
import type { RequestSink, ServerStream } from "./exchange.ts";
import type { Outbox } from "./outbox.ts";
import { CONNECTION_CLOSE, errorResponse } from "./respond.ts";

/** What an exchange needs of its connection. */
export interface Http1ServerExchangeOwner {
  readonly outbox: Outbox;
  readonly reader: RequestReader;
  /** No request may follow this one. */
  readonly isLast: boolean;
  isCurrent(exchange: Http1ServerExchange): boolean;
  /** Reads on. */
  pump(): void;
  /** There are bytes to send. */
  dirty(): void;
  finished(exchange: Http1ServerExchange, closes: boolean): void;
  broken(exchange: Http1ServerExchange): void;
  /** The server's side of a tunnel has ended; the client may still send. */
  halfClose(): void;
}

/**
 * One request and its response on a client's HTTP/1.x connection. Each request has its own, so that whoever still holds an
 * old one cannot touch the next: every call on an exchange that is over does nothing.
 *
 * The two halves end independently. A request that is still coming when its response is complete is read to its end if little
 * is left of it, else the connection is closed.
 */
export class Http1ServerExchange implements ServerStream {
  readonly #owner: Http1ServerExchangeOwner;
  readonly #version: number;
  readonly #method: string;
  readonly #emitsDetail: boolean;
  #mayUpgrade: boolean;
  #awaitsContinue: boolean;
  #sink: RequestSink | null = null;
  #goneCause: RelayError | null = null;
  #isRequestDone = false;
  #isEndWithheld = false; // of an upgrade request: it ends when the response says that it is none
  #hasResponded = false;
  #isResponseDone = false;
  #isDiscarding = false;
  #isTunnel = false;
  #isFull = false;
  #closes = false;
  #delimiter: Delimiter = BY_LENGTH;
  #remaining = 0; // of a response by length

  constructor(owner: Http1ServerExchangeOwner, head: RequestHead, emitsDetail: boolean) {
    this.#owner = owner;
    this.#version = head.version;
    this.#method = head.method;
    this.#emitsDetail = emitsDetail;
    this.#mayUpgrade = head.isUpgrade;
    this.#awaitsContinue = head.expectsContinue;
  }

  // --- the request's body, from the reader to the sink

  receive(sink: RequestSink): void {
    this.watch(sink);
    this.resume();
  }

  watch(sink: RequestSink): void {
    if (this.#isCurrent && !this.#isDiscarding) this.#sink = sink;
    else sink.abort(this.#goneCause ?? clientGone("the exchange is over"));
  }

  pause(): void {
    if (this.#isCurrent) this.#owner.reader.hold();
  }

  resume(): void {
    if (!this.#isCurrent || this.#sink === null) return;
    this.#owner.reader.release();
    this.#owner.pump();
  }

  requestBody(chunk: Uint8Array, from: number, to: number): void {
    if (this.#isDiscarding || this.#sink === null) return;
    if (!this.#sink.body(chunk, from, to)) this.pause();
  }

  requestEnd(trailers: Fields | null): void {
    if (this.#mayUpgrade && !this.#hasResponded) {
      this.#isEndWithheld = true;
      return;
    }
    this.#isRequestDone = true;
    if (!this.#isDiscarding) this.#sink?.end(trailers);
    this.#finishIfDone();
  }

  /** The request cannot be read on. False when a response has begun, so that no other can be sent. */
  refuse(cause: RelayError): boolean {
    this.#stopRequest(cause);
    return !this.#hasResponded;
  }

  /** The client closed or reset. Whoever works for it is told, also when the request itself was complete. */
  clientGone(cause: string | undefined): void {
    this.#goneCause = clientGone(cause ?? "closed");
    const sink = this.#sink;
    this.#sink = null;
    if (!this.#isRequestDone || !this.#isResponseDone) sink?.abort(this.#goneCause);
  }

  // --- the response

  respond(head: ResponseHead, added: readonly HeaderLine[]): void {
    if (!this.#isCurrent || this.#hasResponded) return;
    const isSwitching = head.status === 101;
    if (head.status < 200 && !isSwitching) {
      this.#respondInterim(head, added);
      return;
    }
    const isTunnel = this.#mayUpgrade && (this.#method === "CONNECT" ? isSuccess(head.status) : isSwitching);
    if (isSwitching && !isTunnel) this.abort(badResponse("101 was not asked for"));
    else this.#respondFinal(head, added, isTunnel);
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    if (!this.#isCurrent || !this.#hasResponded || this.#isResponseDone || from === to) return true;
    if (this.#isTunnel || this.#delimiter === BY_CLOSE) this.#owner.outbox.send(chunk, from, to);
    else if (this.#delimiter === BY_CHUNKS) sendChunk(this.#owner.outbox, chunk, from, to);
    else if (this.#delimiter === BY_LENGTH && !this.#sendCounted(chunk, from, to)) return true;
    this.#owner.dirty();
    this.#isFull = this.#owner.outbox.isFull;
    return !this.#isFull;
  }

  end(trailers: Fields | null): void {
    if (!this.#isCurrent || this.#isResponseDone) return;
    if (!this.#hasResponded || (this.#delimiter === BY_LENGTH && this.#remaining > 0)) {
      this.abort(badResponse(this.#hasResponded ? "it is shorter than its length" : "it ended without a head"));
      return;
    }
    if (this.#delimiter === BY_CHUNKS && !writeLastChunk(this.#owner.outbox.buffer, trailers)) {
      writeLastChunk(this.#owner.outbox.buffer, null);
    }
    this.#isResponseDone = true;
    this.#owner.dirty();
    this.#finishIfDone();
  }

  abort(cause: RelayError): void {
    if (!this.#isCurrent || this.#isResponseDone) return;
    if (this.#hasResponded) {
      this.#stopRequest(cause);
      this.#owner.broken(this);
      return;
    }
    const answer = errorResponse(cause, { isGrpc: false, emitsDetail: this.#emitsDetail });
    if (answer.closes) this.#closes = true;
    this.respond(answer.head, answer.added);
    this.end(null);
  }

  closeAfter(): void {
    this.#closes = true;
  }

  /** The response is complete, and what still comes of the request is dropped. */
  get isAnswered(): boolean {
    return this.#isResponseDone && this.#isDiscarding;
  }

  /** The outbox was full and has room. */
  roomAgain(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#sink?.resumeResponse();
  }

  get #isCurrent(): boolean {
    return this.#owner.isCurrent(this);
  }

  /** HTTP/1.0 knows no interim responses (RFC 9110 §15.2). */
  #respondInterim(head: ResponseHead, added: readonly HeaderLine[]): void {
    if (this.#version !== HTTP_1_1) return;
    if (head.status === 100) this.#awaitsContinue = false;
    writeResponseHead(this.#owner.outbox.buffer, head, added, this.#version, BODILESS);
    this.#owner.dirty();
  }

  #respondFinal(head: ResponseHead, added: readonly HeaderLine[], isTunnel: boolean): void {
    this.#delimiter = isTunnel ? BODILESS : this.#delimiterOf(head);
    if (!isTunnel) this.#decideClose(head.status);
    const connection = isTunnel
      ? null
      : this.#closes
        ? CONNECTION_CLOSE
        : this.#version === HTTP_1_0
          ? KEEP_ALIVE
          : null;
    if (!writeResponseHead(this.#owner.outbox.buffer, head, added, this.#version, this.#delimiter, connection)) {
      this.abort(badResponse("its head cannot be said in HTTP/1"));
      return;
    }
    this.#hasResponded = true;
    this.#remaining = head.bodyLength;
    this.#owner.dirty();
    if (isTunnel) this.#beginTunnel();
    else if (this.#mayUpgrade) this.#upgradeRefused();
  }

  #delimiterOf(head: ResponseHead): Delimiter {
    if (head.status === 204) return BODILESS;
    if (this.#method === "HEAD" || head.status === 304) return BODY_NOT_SENT;
    if (head.bodyLength >= 0) return BY_LENGTH;
    return this.#version === HTTP_1_0 ? BY_CLOSE : BY_CHUNKS;
  }

  /** Says `close` now where that is known now. A refusal does not wait for a long request body. */
  #decideClose(status: number): void {
    if (this.#owner.isLast || this.#delimiter === BY_CLOSE || this.#method === "CONNECT") this.#closes = true;
    if ((status >= 400 || this.#sink === null) && !this.#isRequestShort) this.#closes = true;
  }

  /** True when the rest of the request is worth reading to keep the connection. */
  get #isRequestShort(): boolean {
    if (this.#isRequestDone || this.#isEndWithheld) return true;
    const { remaining } = this.#owner.reader;
    return remaining >= 0 && remaining <= MAX_DISCARD_BYTES && !(this.#awaitsContinue && remaining > 0);
  }

  #beginTunnel(): void {
    this.#isTunnel = true;
    this.#closes = true;
    this.#isEndWithheld = false;
    this.#owner.reader.tunnel();
    this.resume();
  }

  #upgradeRefused(): void {
    this.#mayUpgrade = false;
    if (!this.#isEndWithheld) return;
    this.#isEndWithheld = false;
    this.requestEnd(null);
  }

  /** False when there is more than was announced: the client would take the rest for another response. */
  #sendCounted(chunk: Uint8Array, from: number, to: number): boolean {
    if (to - from > this.#remaining) {
      this.abort(badResponse("it is longer than its length"));
      return false;
    }
    this.#remaining -= to - from;
    this.#owner.outbox.send(chunk, from, to);
    return true;
  }

  #stopRequest(cause: RelayError): void {
    const sink = this.#sink;
    this.#sink = null;
    this.#isDiscarding = true;
    if (!this.#isRequestDone) sink?.abort(cause);
  }

  #finishIfDone(): void {
    if (!this.#isResponseDone) return;
    if (this.#isRequestDone) {
      this.#owner.finished(this, this.#closes);
      return;
    }
    if (this.#isTunnel) {
      this.#owner.halfClose();
      return;
    }
    if (!this.#isRequestShort) this.#closes = true;
    this.#stopRequest(new RelayError("server-gone", "server", "never", "The response ended before the request"));
    if (this.#closes) this.#owner.finished(this, true);
    else {
      this.#owner.reader.release();
      this.#owner.pump();
    }
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

function badResponse(what: string): RelayError {
  return new RelayError("bad-response", "server", "never", `Cannot pass the response on: ${what}`);
}

function clientGone(how: string): RelayError {
  return new RelayError("client-gone", "client", "never", `The client went away: ${how}`);
}

const KEEP_ALIVE = new HeaderLine("connection", "keep-alive");
/** A new connection costs a client about as much as sending this. */
const MAX_DISCARD_BYTES = 64 * 1024;
