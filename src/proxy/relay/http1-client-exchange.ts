import type { Fields } from "#fields";
import { isSentChunked, type ResponseReader, writeLastChunk } from "#http1";
import type { RequestHead, ResponseHead } from "#message";
import { RelayError } from "../errors.ts";
import { sendChunk } from "./chunk-sender.ts";
import type { ClientStream, ResponseSink } from "./exchange.ts";
import type { Outbox } from "./outbox.ts";

/** What an exchange needs of its connection. */
export interface Http1ClientExchangeOwner {
  readonly outbox: Outbox;
  readonly reader: ResponseReader;
  isCurrent(exchange: Http1ClientExchange): boolean;
  /** Reads on. */
  pump(): void;
  /** There are bytes to send. */
  dirty(): void;
  /** Both halves ended; `isClean` when the connection may be used again as far as this exchange goes. */
  finished(isClean: boolean): void;
  /** The request will not be completed. */
  broken(): void;
  /** The client's side of a tunnel has ended; the server may still send. */
  halfClose(): void;
}

/** One request and its response on a connection to a server. Calls on an exchange that is over do nothing. */
export class Http1ClientExchange implements ClientStream {
  readonly #owner: Http1ClientExchangeOwner;
  readonly #sink: ResponseSink;
  readonly #isChunked: boolean;
  #remaining: number; // request bytes of an announced length
  #isRequestDone = false;
  #isResponseDone = false;
  #isTunnel = false;
  #isFull = false;

  constructor(owner: Http1ClientExchangeOwner, head: RequestHead, sink: ResponseSink) {
    this.#owner = owner;
    this.#sink = sink;
    this.#isChunked = isSentChunked(head);
    this.#remaining = Math.max(0, head.bodyLength);
  }

  // --- the request's body

  body(chunk: Uint8Array, from: number, to: number): boolean {
    if (!this.#isCurrent || this.#isRequestDone || from === to) return true;
    const { outbox } = this.#owner;
    if (this.#isTunnel) outbox.send(chunk, from, to);
    else if (this.#isChunked) sendChunk(this.#owner.outbox, chunk, from, to);
    else if (!this.#sendCounted(chunk, from, to)) return true;
    this.#owner.dirty();
    this.#isFull = outbox.isFull;
    return !this.#isFull;
  }

  end(trailers: Fields | null): void {
    if (!this.#isCurrent || this.#isRequestDone) return;
    if (this.#isTunnel) {
      this.#isRequestDone = true;
      this.#owner.halfClose();
    } else if (this.#remaining > 0) {
      this.#break("it is shorter than its length");
      return;
    } else {
      if (this.#isChunked && !writeLastChunk(this.#owner.outbox.buffer, trailers)) {
        writeLastChunk(this.#owner.outbox.buffer, null);
      }
      this.#isRequestDone = true;
      this.#owner.dirty();
    }
    if (this.#isResponseDone) this.#owner.finished(false);
  }

  abort(_cause: RelayError): void {
    if (this.#isCurrent) this.#owner.broken();
  }

  pause(): void {
    if (this.#isCurrent) this.#owner.reader.hold();
  }

  resume(): void {
    if (!this.#isCurrent) return;
    this.#owner.reader.release();
    this.#owner.pump();
  }

  /** The outbox was full and has room. */
  roomAgain(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#sink.resumeRequest();
  }

  // --- the response, from the reader

  response(head: ResponseHead, isTunnel: boolean): void {
    if (isTunnel) this.#isTunnel = true;
    this.#sink.response(head);
  }

  responseBody(chunk: Uint8Array, from: number, to: number): void {
    if (!this.#sink.body(chunk, from, to)) this.pause();
  }

  /** A response that ends before its request leaves a connection on which the rest of the request has no reader. */
  responseEnd(trailers: Fields | null): void {
    this.#isResponseDone = true;
    if (!this.#isTunnel || this.#isRequestDone) this.#owner.finished(this.#isRequestDone && !this.#isTunnel);
    this.#sink.end(trailers);
  }

  failed(cause: RelayError): void {
    this.#isResponseDone = true;
    this.#sink.abort(cause);
  }

  get #isCurrent(): boolean {
    return this.#owner.isCurrent(this);
  }

  /** False when there is more than was announced: the server would take the rest for another request. */
  #sendCounted(chunk: Uint8Array, from: number, to: number): boolean {
    if (to - from > this.#remaining) {
      this.#break("it is longer than its length");
      return false;
    }
    this.#remaining -= to - from;
    this.#owner.outbox.send(chunk, from, to);
    return true;
  }

  #break(what: string): void {
    const cause = new RelayError("bad-request", "client", "never", `Cannot pass the request on: ${what}`);
    this.#owner.broken();
    this.failed(cause);
  }
}
