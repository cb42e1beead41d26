import type { Fields } from "#fields";
import {
  BY_LENGTH,
  describeCode,
  type Http1Limits,
  RequestReader,
  type RequestReaderSink,
  removeHopByHop,
  statusOf,
  writeResponseHead,
} from "#http1";
import { HTTP_1_1, type RequestHead } from "#message";
import type { Transport, TransportHandler } from "#net/transport";
import { RelayError } from "../errors.ts";
import type { RequestHandler } from "./exchange.ts";
import { Http1ServerExchange, type Http1ServerExchangeOwner } from "./http1-server-exchange.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import { CONNECTION_CLOSE, errorResponse } from "./respond.ts";
import { type Flushable, sharedTurn, type TurnQueue } from "./turn.ts";

export interface Http1ServerOptions {
  readonly handler: RequestHandler;
  /** Whether clients may read why the proxy refused them (`l5d-proxy-error`). */
  readonly emitsDetail: boolean;
  readonly limits?: Http1Limits;
  readonly timeouts?: Http1ServerTimeouts;
  readonly turn?: TurnQueue;
  /** The connection is closed; called once. */
  readonly onClosed?: (cause: string | undefined) => void;
}

/** Checked by `tick`, so as exact as the owner's ticks. */
export interface Http1ServerTimeouts {
  /** From the first byte of a head to its last. */
  readonly headMs: number;
  /** Between requests. */
  readonly idleMs: number;
  /** Response bytes are pending and the client takes none; or it has them all and does not end its request. */
  readonly stallMs: number;
  /** After our FIN, for the client's. */
  readonly lingerMs: number;
}

export const DEFAULT_HTTP1_SERVER_TIMEOUTS: Http1ServerTimeouts = {
  headMs: 10_000,
  idleMs: 600_000,
  stallMs: 60_000,
  lingerMs: 5_000,
};

/**
 * One client's HTTP/1.x connection: requests one after another to the handler, their responses back.
 * A request that comes while one is being answered waits unread. Takes the transport over (its `handler` too).
 *
 *   SERVING ──last response sent──> LINGERING (FIN sent, bytes dropped) ──peer's FIN or time──> closed
 */
export class Http1Server implements Flushable {
  isDirty = false;
  /** When a tick last found that bytes had moved, on the ticks' clock. */
  lastActivityMs = -1;
  readonly #transport: Transport;
  readonly #options: Http1ServerOptions;
  readonly #timeouts: Http1ServerTimeouts;
  readonly #turn: TurnQueue;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #reader: RequestReader;
  readonly #exchangeOwner: Http1ServerExchangeOwner;
  #exchange: Http1ServerExchange | null = null;
  #isDraining = false; // no request after this one
  #isFinishing = false; // no exchange any more: what is pending, then FIN
  #isLingering = false; // FIN sent
  #hasPeerEnded = false;
  #isClosed = false;
  #isActive = true; // since the last tick
  #headSinceMs = -1;

  constructor(transport: Transport, options: Http1ServerOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#timeouts = options.timeouts ?? DEFAULT_HTTP1_SERVER_TIMEOUTS;
    this.#turn = options.turn ?? sharedTurn;
    this.#outbox = new Outbox(transport);
    this.#inbox = new Inbox(transport);
    this.#reader = new RequestReader(this.#readerSink(), options.limits);
    this.#exchangeOwner = this.#ownExchanges();
    transport.handler = this.transportHandler;
  }

  /** What the transport calls. Whoever read bytes before (detection) hands them to `data` of this. */
  readonly transportHandler: TransportHandler = {
    data: (chunk) => this.#data(chunk),
    drain: () => this.flush(),
    end: () => this.#end(),
    closed: (cause) => this.#closed(cause),
  };

  /** Lets the request in hand finish, then closes; closes now when there is none. */
  drain(): void {
    this.#isDraining = true;
    if (this.#exchange === null && this.#reader.isIdle) this.#finish();
  }

  /** Closes now; a request in hand is aborted. */
  destroy(): void {
    if (!this.#isClosed) this.#transport.terminate();
  }

  /** Writes what is pending; the turn queue calls it. */
  flush(): void {
    if (this.#isClosed) return;
    if (this.#outbox.flush()) this.#isActive = true;
    if (this.#outbox.buffer.overflowed) this.#transport.terminate();
    else if (this.#isFinishing) this.#sendFin();
    else if (this.#outbox.hasRoom) this.#roomAgain();
  }

  /** Checks the time limits. To be called now and then with monotonic milliseconds. */
  tick(nowMs: number): void {
    this.#outbox.buffer.trim();
    if (this.#isActive || this.lastActivityMs < 0) {
      this.#isActive = false;
      this.lastActivityMs = nowMs;
    }
    const quietMs = nowMs - this.lastActivityMs;
    if (this.#isLingering) {
      if (quietMs >= this.#timeouts.lingerMs) this.#transport.terminate();
    } else if (!this.#outbox.isEmpty) {
      if (quietMs >= this.#timeouts.stallMs) this.#transport.terminate();
    } else if (this.#exchange === null) this.#tickBetweenRequests(nowMs, quietMs);
    else if (this.#exchange.isAnswered && quietMs >= this.#timeouts.stallMs) {
      this.#exchange = null; // only the rest of a request is due, which nobody wants
      this.#finish();
    }
  }

  #tickBetweenRequests(nowMs: number, quietMs: number): void {
    if (this.#reader.isIdle) {
      this.#headSinceMs = -1;
      if (quietMs >= this.#timeouts.idleMs) this.#finish();
    } else if (this.#headSinceMs < 0) this.#headSinceMs = nowMs;
    else if (nowMs - this.#headSinceMs >= this.#timeouts.headMs) this.#refuse(408, "the head took too long");
  }

  #data(chunk: Uint8Array): void {
    this.#isActive = true;
    if (this.#isFinishing || this.#isClosed) return;
    this.#inbox.add(chunk);
    this.#pump();
  }

  #end(): void {
    this.#hasPeerEnded = true;
    if (this.#isLingering) this.#transport.close();
    else this.#pump();
  }

  #closed(cause: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.clientGone(cause);
    this.#options.onClosed?.(cause);
  }

  #pump(): void {
    if (this.#isClosed || this.#isFinishing) return;
    const code = this.#inbox.pump(this.#reader);
    if (this.#inbox.isReading) return; // the outer call goes on
    if (code < 0) this.#refuse(statusOf(code), describeCode(code));
    else if (this.#hasPeerEnded && !this.#isFinishing && this.#inbox.isEmpty) this.#readEof();
  }

  /** A FIN behind a complete request only says that it was the last; in the midst of one the client gave up. */
  #readEof(): void {
    const code = this.#reader.eof();
    const exchange = this.#exchange;
    if (code < 0) {
      this.#exchange = null;
      exchange?.clientGone("FIN within a request");
      this.#isFinishing = true;
      this.#transport.close();
    } else if (exchange === null) this.#finish();
  }

  #readerSink(): RequestReaderSink {
    return {
      request: (head) => this.#request(head),
      body: (chunk, from, to) => this.#exchange?.requestBody(chunk, from, to),
      requestEnd: (trailers: Fields | null) => this.#exchange?.requestEnd(trailers),
    };
  }

  #request(head: RequestHead): void {
    this.#headSinceMs = -1;
    const exchange = new Http1ServerExchange(this.#exchangeOwner, head, this.#options.emitsDetail);
    this.#exchange = exchange;
    this.#reader.hold();
    if (!head.isUpgrade) removeHopByHop(head.fields);
    try {
      this.#options.handler.request(head, exchange);
    } catch (thrown: unknown) {
      exchange.abort(RelayError.from(thrown));
    }
  }

  #ownExchanges(): Http1ServerExchangeOwner {
    const server = this;
    return {
      outbox: this.#outbox,
      reader: this.#reader,
      get isLast() {
        return server.#isDraining || server.#hasPeerEnded || !server.#reader.keepsAlive;
      },
      isCurrent: (exchange) => this.#exchange === exchange,
      pump: () => this.#pump(),
      dirty: () => this.#dirty(),
      finished: (_exchange, closes) => this.#exchangeFinished(closes),
      broken: () => this.#exchangeBroken(),
      halfClose: () => this.#halfClose(),
    };
  }

  #dirty(): void {
    if (!this.#isClosed) this.#turn.markDirty(this);
  }

  #exchangeFinished(closes: boolean): void {
    this.#exchange = null;
    if (closes || this.#exchangeOwner.isLast) {
      this.#finish();
      return;
    }
    this.#reader.next();
    this.#readNext();
  }

  /** The client must not take what it has for the whole. */
  #exchangeBroken(): void {
    this.#exchange = null;
    this.#isFinishing = true;
    this.#outbox.flush();
    this.#transport.terminate();
  }

  #halfClose(): void {
    this.#outbox.flush();
    if (this.#outbox.isEmpty) this.#transport.shutdown();
    else this.#awaitsHalfClose = true;
  }

  #awaitsHalfClose = false;

  #roomAgain(): void {
    if (this.#awaitsHalfClose && this.#outbox.isEmpty) {
      this.#awaitsHalfClose = false;
      this.#transport.shutdown();
    }
    if (this.#exchange !== null) this.#exchange.roomAgain();
    else if (this.#isHeldForRoom) this.#readNext();
  }

  #isHeldForRoom = false;

  /** A client that pipelines and does not read its responses is held between requests as well. */
  #readNext(): void {
    this.#isHeldForRoom = this.#outbox.isFull;
    if (this.#isHeldForRoom) {
      this.#reader.hold();
      return;
    }
    this.#reader.release();
    this.#pump();
  }

  #finish(): void {
    if (this.#isFinishing || this.#isClosed) return;
    this.#isFinishing = true;
    this.#reader.hold();
    this.#inbox.discard();
    if (this.#outbox.isEmpty) this.#sendFin();
    else this.#dirty();
  }

  /** Unread bytes would turn a close into a reset and cost the client its response: FIN first, then the client's. */
  #sendFin(): void {
    if (this.#isLingering || !this.#outbox.isEmpty) return;
    this.#isLingering = true;
    this.#isActive = true;
    if (this.#hasPeerEnded) this.#transport.close();
    else this.#transport.shutdown();
  }

  #refuse(status: number, why: string): void {
    const exchange = this.#exchange;
    const cause = new RelayError("bad-request", "client", "never", `Cannot read the request: ${why}`);
    this.#exchange = null;
    if (exchange !== null && !exchange.refuse(cause)) {
      this.#exchangeBroken();
      return;
    }
    const answer = errorResponse(cause, { isGrpc: false, emitsDetail: this.#options.emitsDetail, status });
    writeResponseHead(this.#outbox.buffer, answer.head, answer.added, HTTP_1_1, BY_LENGTH, CONNECTION_CLOSE);
    this.#finish();
  }
}
