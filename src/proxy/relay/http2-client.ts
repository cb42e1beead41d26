import type { Fields, HeaderLine } from "#fields";
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings, type Http2Stream, type StreamOwner } from "#http2";
import type { Clock } from "#lib/clock";
import type { RequestHead, ResponseHead } from "#message";
import type { Transport } from "#net/transport";
import type { RelayError } from "../errors.ts";
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseSink } from "./exchange.ts";
import { resetCodeOf, serverReset } from "./http2-code.ts";
import { Http2Link, type KeepAlive, type LinkOwner } from "./http2-link.ts";
import type { TurnQueue } from "./turn.ts";

export interface Http2ClientOptions {
  /** Connected: bytes may be written. */
  readonly transport: Transport;
  readonly owner: ClientConnectionOwner;
  readonly clock: Clock;
  readonly settings?: Http2Settings;
  readonly keepAlive?: KeepAlive;
  readonly turn?: TurnQueue;
}

/** An HTTP/2 connection to one peer: takes over the transport and carries many exchanges at once. */
export class Http2ClientConnection implements ClientConnection, LinkOwner {
  readonly #link: Http2Link;
  readonly #owner: ClientConnectionOwner;
  #isGone = false;

  constructor(options: Http2ClientOptions) {
    this.#owner = options.owner;
    const settings = options.settings ?? DEFAULT_HTTP2_SETTINGS;
    this.#link = new Http2Link({ ...options, settings, isServer: false }, this);
  }

  /** Exchanges under way. */
  get streamCount(): number {
    return this.#link.connection.streamCount;
  }

  capacity(): number {
    return this.#isGone ? 0 : this.#link.connection.capacity;
  }

  open(head: RequestHead, added: readonly HeaderLine[], sink: ResponseSink): ClientStream {
    const exchange = new Http2ClientStream(sink, head.version);
    exchange.stream = this.#link.connection.open(head, added, exchange);
    return exchange;
  }

  drain(): void {
    this.#link.connection.drain();
  }

  destroy(): void {
    this.#link.abort("destroyed");
  }

  /** Call about once a second, for keep-alive. */
  tick(nowMs: number): void {
    this.#link.tick(nowMs);
  }

  request(): void {} // servers do not request

  capacityChanged(): void {
    if (!this.#isGone) this.#owner.available(this);
  }

  goingAway(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#owner.gone(this);
  }

  closed(): void {
    this.goingAway();
  }
}

/** One exchange on it: the server's stream as the one who sends the request sees it. */
class Http2ClientStream implements ClientStream, StreamOwner {
  stream: Http2Stream | null = null;
  readonly #sink: ResponseSink;
  /** Which protocol the request comes from. */
  readonly #version: number;
  #isResponseOver = false;

  constructor(sink: ResponseSink, version: number) {
    this.#sink = sink;
    this.#version = version;
  }

  // --- ClientStream ---

  body(chunk: Uint8Array, from: number, to: number): boolean {
    return this.stream!.send(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    this.stream!.end(trailers, this.#version);
  }

  /** The request is given up: the server is told, and nothing more comes from it. */
  abort(cause: RelayError): void {
    this.#isResponseOver = true;
    this.stream!.reset(resetCodeOf(cause));
  }

  pause(): void {
    this.stream!.pause();
  }

  resume(): void {
    this.stream!.resume();
  }

  // --- StreamOwner ---

  head(head: ResponseHead): void {
    this.#sink.response(head);
  }

  data(bytes: Uint8Array, from: number, to: number): boolean {
    return this.#sink.body(bytes, from, to);
  }

  ended(trailers: Fields | null): void {
    this.#isResponseOver = true;
    this.#sink.end(trailers);
  }

  /** RFC 9113 §8.1: a reset behind a complete response only says that the rest of the request is not wanted. */
  reset(code: number, origin: number): void {
    if (this.#isResponseOver) return;
    this.#isResponseOver = true;
    this.#sink.abort(serverReset(code, origin));
  }

  writable(): void {
    this.#sink.resumeRequest();
  }
}
