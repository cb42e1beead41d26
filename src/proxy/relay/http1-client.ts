import type { Fields, HeaderLine } from "#fields";
import {
  describeCode,
  type Http1Limits,
  ResponseReader,
  type ResponseReaderSink,
  removeHopByHop,
  writeRequestHead,
} from "#http1";
import { HTTP_1_0, type RequestHead, type ResponseHead } from "#message";
import type { Transport, TransportHandler } from "#net/transport";
import { RelayError } from "../errors.ts";
import type { ClientConnection, ClientConnectionOwner, ClientStream, ResponseSink } from "./exchange.ts";
import { Http1ClientExchange, type Http1ClientExchangeOwner } from "./http1-client-exchange.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import { type Flushable, sharedTurn, type TurnQueue } from "./turn.ts";

export interface Http1ClientOptions {
  readonly limits?: Http1Limits;
  readonly turn?: TurnQueue;
}

/**
 * A connection to one server that carries HTTP/1.x requests, one at a time. Takes the transport over (its `handler` too).
 * It is used again only after both halves of an exchange ended cleanly, both sides mean to keep it, and not a byte too
 * many came: anything else closes it, so that no response can be taken for another's.
 */
export class Http1Client implements ClientConnection, Flushable {
  isDirty = false;
  /** When a tick last found that bytes had moved, on the ticks' clock. */
  lastActivityMs = -1;
  readonly #transport: Transport;
  readonly #owner: ClientConnectionOwner;
  readonly #turn: TurnQueue;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #reader: ResponseReader;
  readonly #exchangeOwner: Http1ClientExchangeOwner;
  #exchange: Http1ClientExchange | null = null;
  #exchangeCount = 0;
  #keepsAlive = true;
  #isUnsayable = false; // the request in hand has no form in HTTP/1
  #awaitsHalfClose = false;
  #hasPeerEnded = false;
  #isGone = false;
  #isClosed = false;
  #closedCause: string | undefined = undefined;
  #isSettling = false; // a response ended cleanly; what is read behind it decides
  #closesWhenSent = false;
  #isActive = true; // since the last tick

  constructor(transport: Transport, owner: ClientConnectionOwner, options: Http1ClientOptions = {}) {
    this.#transport = transport;
    this.#owner = owner;
    this.#turn = options.turn ?? sharedTurn;
    this.#outbox = new Outbox(transport);
    this.#inbox = new Inbox(transport);
    this.#reader = new ResponseReader(this.#readerSink(), options.limits);
    this.#exchangeOwner = this.#ownExchanges();
    transport.handler = this.transportHandler;
  }

  /** What the transport calls. */
  readonly transportHandler: TransportHandler = {
    data: (chunk) => this.#data(chunk),
    drain: () => this.flush(),
    end: () => this.#end(),
    closed: (cause) => this.#closed(cause),
  };

  capacity(): number {
    return this.#exchange === null && this.#keepsAlive && !this.#isGone ? 1 : 0;
  }

  /** Requests carried so far: a failure on a used connection may only mean that the server had just closed it. */
  get exchangeCount(): number {
    return this.#exchangeCount;
  }

  open(head: RequestHead, added: readonly HeaderLine[], sink: ResponseSink): ClientStream {
    const exchange = new Http1ClientExchange(this.#exchangeOwner, head, sink);
    this.#exchange = exchange;
    this.#exchangeCount++;
    this.#outbox.hasSent = false;
    this.#isActive = true;
    if (head.version === HTTP_1_0) this.#keepsAlive = false;
    this.#isUnsayable = !writeRequestHead(this.#outbox.buffer, head, added);
    this.#reader.release();
    this.#reader.expect(head.method, head.isUpgrade && head.method !== "CONNECT");
    this.#dirty();
    return exchange;
  }

  drain(): void {
    this.#keepsAlive = false;
    if (this.#exchange === null) this.#leave();
  }

  destroy(): void {
    this.#fail(new RelayError("draining", "proxy", "never", "The connection was closed by the proxy"));
  }

  /** Notes activity. To be called now and then with monotonic milliseconds; the owner decides what is idle for too long. */
  tick(nowMs: number): void {
    this.#outbox.buffer.trim();
    if (!this.#isActive && this.lastActivityMs >= 0) return;
    this.#isActive = false;
    this.lastActivityMs = nowMs;
  }

  /** Writes what is pending; the turn queue calls it. */
  flush(): void {
    if (this.#isClosed) return;
    if (this.#closesWhenSent) {
      this.#close(false);
      return;
    }
    if (this.#isUnsayable) {
      this.#fail(new RelayError("bad-request", "client", "never", "The request has no valid form in HTTP/1"));
      return;
    }
    if (this.#outbox.flush()) this.#isActive = true;
    if (this.#outbox.buffer.overflowed) {
      this.#fail(new RelayError("too-large", "proxy", "never", "The request was sent past its back-pressure"));
    } else if (this.#outbox.hasRoom) this.#roomAgain();
  }

  #roomAgain(): void {
    this.#exchange?.roomAgain();
    if (this.#awaitsHalfClose && this.#outbox.isEmpty) {
      this.#awaitsHalfClose = false;
      this.#transport.shutdown();
    }
  }

  #data(chunk: Uint8Array): void {
    this.#isActive = true;
    if (this.#isGone) return;
    this.#inbox.add(chunk);
    this.#pump();
  }

  #end(): void {
    this.#hasPeerEnded = true;
    this.#keepsAlive = false;
    this.#pump();
  }

  #closed(cause: string | undefined): void {
    this.#isClosed = true;
    this.#hasPeerEnded = true;
    this.#closedCause = cause;
    this.#keepsAlive = false;
    // What was read before is still delivered; a sink that is full will ask for it.
    this.#pump();
    if (this.#exchange === null) this.#leave();
  }

  #pump(): void {
    if (this.#isGone) return;
    const code = this.#inbox.pump(this.#reader);
    if (this.#inbox.isReading) return; // the outer call goes on
    if (code < 0) this.#unreadable(code);
    else if (this.#isSettling) this.#settle();
    else if (this.#hasPeerEnded && this.#inbox.isEmpty) this.#readEof();
  }

  #unreadable(code: number): void {
    const message = `Cannot read the response: ${describeCode(code)}`;
    this.#fail(new RelayError("bad-response", "server", "never", message));
  }

  #readEof(): void {
    // A reset is no end, even where a clean close would be one.
    const code = this.#closedCause === undefined ? this.#reader.eof() : -1;
    if (this.#isGone) return;
    if (this.#exchange === null) this.#leave();
    else if (code < 0) this.#fail(this.#serverGone(this.#closedCause ?? "FIN before the response was complete"));
  }

  /** Whether the server may have begun to work on the request decides whether it may be sent again. */
  #serverGone(how: string): RelayError {
    const retry = this.#reader.hasBegun ? "never" : !this.#outbox.hasSent ? "safe" : "if-unsent";
    return new RelayError("server-gone", "server", retry, `The server closed the connection: ${how}`);
  }

  #readerSink(): ResponseReaderSink {
    return {
      response: (head) => this.#response(head),
      body: (chunk, from, to) => this.#exchange?.responseBody(chunk, from, to),
      responseEnd: (trailers: Fields | null) => this.#exchange?.responseEnd(trailers),
    };
  }

  #response(head: ResponseHead): void {
    if (!this.#reader.keepsAlive) this.#keepsAlive = false;
    if (!this.#reader.isTunnel) removeHopByHop(head.fields);
    this.#exchange?.response(head, this.#reader.isTunnel);
  }

  #ownExchanges(): Http1ClientExchangeOwner {
    return {
      outbox: this.#outbox,
      reader: this.#reader,
      isCurrent: (exchange) => this.#exchange === exchange,
      pump: () => this.#pump(),
      dirty: () => this.#dirty(),
      finished: (isClean) => this.#exchangeFinished(isClean),
      broken: () => this.#exchangeBroken(),
      halfClose: () => this.#halfClose(),
    };
  }

  #dirty(): void {
    if (this.#isClosed) this.#outbox.buffer.clear();
    else this.#turn.markDirty(this);
  }

  #exchangeFinished(isClean: boolean): void {
    this.#exchange = null;
    if (isClean && this.#inbox.isReading) this.#isSettling = true;
    else if (isClean) this.#settle();
    else this.#leave();
  }

  /** Free for another request, unless the server has closed or said more than it was asked (the reader refuses that). */
  #settle(): void {
    this.#isSettling = false;
    if (this.#keepsAlive && !this.#hasPeerEnded && this.#inbox.isEmpty) this.#owner.available(this);
    else this.#leave();
  }

  /** The request will not be completed: its server must see that, and its response is nobody's. */
  #exchangeBroken(): void {
    this.#exchange = null;
    this.#leave(true);
  }

  #halfClose(): void {
    this.#awaitsHalfClose = true;
    this.#dirty();
  }

  #fail(cause: RelayError): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#leave(true);
    exchange?.failed(cause);
  }

  /** Tells the pool once, and closes. */
  #leave(isAbrupt = false): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#keepsAlive = false;
    if (!this.#isClosed) this.#close(isAbrupt);
    this.#owner.gone(this);
  }

  #close(isAbrupt: boolean): void {
    if (isAbrupt) this.#transport.terminate();
    else {
      this.#outbox.flush();
      this.#closesWhenSent = !this.#outbox.isEmpty;
      if (!this.#closesWhenSent) this.#transport.close();
    }
  }
}
