import { HeaderBlock, type HeaderLimits } from "#hpack";
import { errorName, Http2Connection, type Http2Owner, type Http2Settings, type Http2Stream } from "#http2";
import type { Clock } from "#lib/clock";
import type { RequestHead } from "#message";
import type { Transport, TransportHandler } from "#net/transport";
import { type Flushable, sharedTurn, type TurnQueue } from "./turn.ts";

/** How a connection finds out that its peer is gone. */
export interface KeepAlive {
  /** Silence after which a PING asks. */
  readonly intervalMs: number;
  /** Silence after the PING that ends the connection. */
  readonly timeoutMs: number;
  /** Also while no stream is open. */
  readonly whileIdle: boolean;
}

/** What server and client connections hear from the link under them. */
export interface LinkOwner {
  /** Server role only. */
  request(stream: Http2Stream, head: RequestHead): void;
  capacityChanged(): void;
  goingAway(): void;
  /** The transport is gone and every stream was told. The last call. */
  closed(cause: string | undefined): void;
}

export interface LinkOptions {
  readonly transport: Transport;
  readonly isServer: boolean;
  readonly settings: Http2Settings;
  readonly clock: Clock;
  readonly keepAlive?: KeepAlive;
  readonly turn?: TurnQueue;
}

/**
 * Joins an HTTP/2 connection to its transport, for both roles: one write per turn, short writes kept until `drain`,
 * reading paused while answers pile up, PINGs, and an end that lets the peer read our GOAWAY.
 *
 *   OPEN -> CLOSING (GOAWAY is being written, then FIN) -> CLOSED
 */
export class Http2Link implements TransportHandler, Flushable, Http2Owner {
  isDirty = false;
  readonly connection: Http2Connection;
  readonly #transport: Transport;
  readonly #owner: LinkOwner;
  readonly #clock: Clock;
  readonly #turn: TurnQueue;
  readonly #keepAlive: KeepAlive | undefined;
  #state = OPEN;
  /** The transport took less than it was given. */
  #isFull = false;
  #isReadPaused = false;
  #wasHeard = true;
  #heardAtMs = 0;
  #hasWritten = true; // since the last tick
  #writtenAtMs = 0;
  #cause: string | undefined;

  constructor(options: LinkOptions, owner: LinkOwner) {
    this.#transport = options.transport;
    this.#owner = owner;
    this.#clock = options.clock;
    this.#turn = options.turn ?? sharedTurn;
    this.#keepAlive = options.keepAlive;
    const nowMs = () => options.clock.monotonicMs();
    const block = sharedBlock(options.settings.headers);
    this.connection = new Http2Connection(options.isServer, options.settings, this, nowMs, block);
    options.transport.handler = this;
    this.connection.start();
  }

  get isClosed(): boolean {
    return this.#state === CLOSED;
  }

  /** Call about once a second: notices silence, and gives back memory. */
  tick(nowMs: number): void {
    this.connection.sender.output.trim();
    if (this.#wasHeard) {
      this.#wasHeard = false;
      this.#heardAtMs = nowMs;
    }
    if (this.#hasWritten || !this.#isFull) {
      this.#hasWritten = false;
      this.#writtenAtMs = nowMs;
    }
    if (nowMs - this.#writtenAtMs >= STALL_MS) {
      this.abort("the peer takes no bytes");
      return;
    }
    if (this.#state === OPEN && !this.#isReadPaused) this.connection.tick(nowMs);
    const keepAlive = this.#keepAlive;
    if (keepAlive === undefined || this.#state !== OPEN) return;
    const silentMs = nowMs - this.#heardAtMs;
    if (this.connection.unansweredPings > 0) {
      if (silentMs >= keepAlive.intervalMs + keepAlive.timeoutMs) this.abort("keep-alive timeout");
    } else if (silentMs >= keepAlive.intervalMs && (keepAlive.whileIdle || this.connection.streamCount > 0)) {
      this.connection.ping();
    }
  }

  /** Ends the connection at once; streams are told. */
  abort(cause: string): void {
    if (this.#state === CLOSED) return;
    this.#cause = cause;
    this.#transport.terminate();
    this.closed(cause);
  }

  // --- TransportHandler ---

  data(chunk: Uint8Array): void {
    if (this.#state !== OPEN) return;
    this.#wasHeard = true;
    this.connection.receive(chunk);
    if (this.connection.sender.output.size > READ_PAUSE_BYTES && !this.#isReadPaused && this.#state === OPEN) {
      this.#isReadPaused = true;
      this.#transport.pause();
    }
  }

  drain(): void {
    this.#isFull = false;
    this.flush();
  }

  /** A peer that sent FIN reads no window and resets nothing: HTTP/2 has no half-closed connections. */
  end(): void {
    if (this.#state === CLOSED) return;
    this.#transport.close();
    this.closed(this.#cause);
  }

  closed(cause: string | undefined): void {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    this.connection.lost();
    this.#owner.closed(cause ?? this.#cause);
  }

  // --- Flushable ---

  flush(): void {
    const { sender } = this.connection;
    const { output } = sender;
    if (this.#state === CLOSED || this.#isFull) return;
    if (output.overflowed) {
      this.abort("output above its limit");
      return;
    }
    if (output.size > 0) {
      const written = this.#transport.write(output.bytes, output.start, output.end);
      if (written < 0) return; // `closed` follows
      if (written > 0) {
        this.#hasWritten = true;
        output.consume(written);
        this.connection.flushed();
      }
      this.#isFull = output.size > 0;
    }
    this.#resumeReading();
    if (this.#state === CLOSING && output.size === 0) this.#transport.shutdown();
    else sender.pump();
  }

  // --- Http2Owner ---

  request(stream: Http2Stream, head: RequestHead): void {
    this.#owner.request(stream, head);
  }

  dirty(): void {
    this.#turn.markDirty(this);
  }

  capacityChanged(): void {
    this.#owner.capacityChanged();
  }

  goingAway(): void {
    this.#owner.goingAway();
  }

  failed(code: number, reason: string): void {
    this.#close(`${errorName(code)}: ${reason}`);
  }

  finished(): void {
    this.#close(undefined);
  }

  /** Writes what is there, then FIN; a peer that does not end its side within a second is cut off. */
  #close(cause: string | undefined): void {
    if (this.#state !== OPEN) return;
    this.#state = CLOSING;
    this.#cause = cause;
    this.#turn.markDirty(this);
    this.#clock.schedule(LINGER_MS, () => {
      if (this.#state !== CLOSING) return;
      this.#transport.close();
      this.closed(this.#cause);
    });
  }

  #resumeReading(): void {
    if (!this.#isReadPaused || this.connection.sender.output.size > READ_PAUSE_BYTES / 2) return;
    this.#isReadPaused = false;
    this.#transport.resume();
  }
}

/**
 * One block of 45 KiB for all connections of the same limits: a list is consumed within the call that decoded it, and
 * transports never deliver inside a delivery.
 */
function sharedBlock(limits: HeaderLimits): HeaderBlock {
  let block = BLOCKS.get(limits);
  if (block === undefined) {
    block = new HeaderBlock(limits);
    BLOCKS.set(limits, block);
  }
  return block;
}

const BLOCKS = new WeakMap<HeaderLimits, HeaderBlock>();

const OPEN = 0;
const CLOSING = 1;
const CLOSED = 2;
/**
 * DATA stops at 256 KiB, so more than this is answers to frames that a peer sends without reading: we stop reading too.
 * Far enough above 256 KiB that two of us cannot wait for each other.
 */
const READ_PAUSE_BYTES = 1024 * 1024;
const LINGER_MS = 1000;
/**
 * HTTP/2 has windows to hold a sender back, so a peer always reads; one that takes nothing of what is written for this
 * long is stuck or means harm, and its PINGs are no sign of life.
 */
const STALL_MS = 60_000;
