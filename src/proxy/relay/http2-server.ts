import type { Fields, HeaderLine } from "#fields";
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings, type Http2Stream, type StreamOwner } from "#http2";
import type { Clock } from "#lib/clock";
import { HTTP_2, type RequestHead, type ResponseHead } from "#message";
import type { Transport } from "#net/transport";
import { RelayError } from "../errors.ts";
import type { RequestHandler, RequestSink, ServerStream } from "./exchange.ts";
import { clientReset, resetCodeOf } from "./http2-code.ts";
import { Http2Link, type KeepAlive, type LinkOwner } from "./http2-link.ts";
import type { TurnQueue } from "./turn.ts";

export interface Http2ServerOptions {
  readonly transport: Transport;
  readonly handler: RequestHandler;
  readonly clock: Clock;
  readonly settings?: Http2Settings;
  readonly keepAlive?: KeepAlive;
  readonly turn?: TurnQueue;
  /** The connection is gone. The last thing it says. */
  readonly onClosed?: (connection: Http2ServerConnection, cause: string | undefined) => void;
}

/** An accepted HTTP/2 connection: takes over the transport and offers each request to the handler. */
export class Http2ServerConnection implements LinkOwner {
  readonly #link: Http2Link;
  readonly #handler: RequestHandler;
  readonly #onClosed: Http2ServerOptions["onClosed"];

  constructor(options: Http2ServerOptions) {
    this.#handler = options.handler;
    this.#onClosed = options.onClosed;
    const settings = options.settings ?? DEFAULT_HTTP2_SETTINGS;
    this.#link = new Http2Link({ ...options, settings, isServer: true }, this);
  }

  /** Streams whose exchange is not over. */
  get streamCount(): number {
    return this.#link.connection.streamCount;
  }

  /** Feeds bytes that were read before this connection took over the transport. */
  receive(chunk: Uint8Array): void {
    this.#link.data(chunk);
  }

  /** GOAWAY; live streams finish, then the connection closes. */
  drain(): void {
    this.#link.connection.drain();
  }

  /** Closes now; live exchanges are aborted. */
  destroy(): void {
    this.#link.abort("destroyed");
  }

  /** Call about once a second, for keep-alive. */
  tick(nowMs: number): void {
    this.#link.tick(nowMs);
  }

  request(stream: Http2Stream, head: RequestHead): void {
    const exchange = new Http2ServerStream(stream, this);
    stream.owner = exchange;
    stream.pause(); // until somebody receives
    try {
      this.#handler.request(head, exchange);
    } catch (thrown: unknown) {
      exchange.abort(RelayError.from(thrown)); // our own mistake: the other streams go on
    }
  }

  capacityChanged(): void {}

  goingAway(): void {}

  closed(cause: string | undefined): void {
    this.#onClosed?.(this, cause);
  }
}

/** One exchange on it: the client's stream as the handler sees it. */
class Http2ServerStream implements ServerStream, StreamOwner {
  readonly #stream: Http2Stream;
  readonly #connection: Http2ServerConnection;
  #sink: RequestSink | null = null;
  /** Why the client left before anybody received. */
  #early: RelayError | null = null;
  /** Which protocol the response comes from. */
  #version = HTTP_2;

  constructor(stream: Http2Stream, connection: Http2ServerConnection) {
    this.#stream = stream;
    this.#connection = connection;
  }

  // --- ServerStream ---

  receive(sink: RequestSink): void {
    this.watch(sink);
    if (this.#early === null) this.#stream.resume();
  }

  watch(sink: RequestSink): void {
    this.#sink = sink;
    if (this.#early !== null) sink.abort(this.#early);
  }

  respond(head: ResponseHead, added: readonly HeaderLine[]): void {
    this.#version = head.version;
    this.#stream.respond(head, added);
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    return this.#stream.send(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    this.#stream.end(trailers, this.#version);
  }

  abort(cause: RelayError): void {
    this.#stream.reset(resetCodeOf(cause));
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    if (this.#sink !== null) this.#stream.resume();
  }

  closeAfter(): void {
    this.#connection.drain();
  }

  // --- StreamOwner ---

  head(): void {} // only responses come this way

  data(bytes: Uint8Array, from: number, to: number): boolean {
    return this.#sink === null || this.#sink.body(bytes, from, to);
  }

  ended(trailers: Fields | null): void {
    this.#sink?.end(trailers);
  }

  reset(code: number, origin: number): void {
    const cause = clientReset(code, origin);
    if (this.#sink === null) this.#early = cause;
    else this.#sink.abort(cause); // also after the request's end: the response is no longer wanted
  }

  writable(): void {
    this.#sink?.resumeResponse();
  }
}
