import type { Clock, Timer } from "#lib/clock";
import { RelayError } from "../errors.ts";
import type { ClientConnection, ClientConnectionOwner } from "../relay/exchange.ts";

/** Someone who wants to send one request and had to wait for a connection. */
export interface PoolWaiter {
  /** `connection` has capacity now: open a stream before returning. */
  opened(connection: ClientConnection): void;
  failed(failure: RelayError): void;
}

export interface PoolOutcome {
  connected(connection: ClientConnection): void;
  failed(failure: RelayError): void;
}

/** What a pool tells its owner. */
export interface PoolObserver {
  /** A connection was made. */
  connected(): void;
  /** A connection could not be made. Told before those who wait for it hear, so that they look elsewhere. */
  connectFailed(failure: RelayError): void;
  /** A connection has room that nobody waits for, or fewer wait. */
  eased(): void;
}

export interface HttpPoolOptions {
  /** The peer's address, for messages. */
  readonly peer: string;
  /** HTTP/2 connections carry many streams and are kept; HTTP/1 ones carry one and are dropped when long idle. */
  readonly isHttp2: boolean;
  readonly dial: (owner: ClientConnectionOwner, outcome: PoolOutcome) => { cancel(): void };
  readonly clock: Clock;
  readonly maxIdle: number;
  readonly idleMs: number;
  readonly maxWaiters: number;
  /** How long a request waits for a connection with room. */
  readonly maxWaitMs: number;
  readonly observer: PoolObserver;
}

/** HTTP/2 connections to one peer at most: beyond this, requests wait for streams. */
const MAX_HTTP2_CONNECTIONS = 4;

/** Connections of one protocol version to one peer. Dials for those who wait, and when it is told to. */
export class HttpPool implements ClientConnectionOwner {
  readonly #options: HttpPoolOptions;
  readonly #all = new Set<ClientConnection>();
  readonly #free: ClientConnection[] = []; // HTTP/1: idle, the most recent last; HTTP/2: those with capacity when last seen
  readonly #idleSinceMs: number[] = []; // HTTP/1: of the connections in `#free`, at the same places
  readonly #waiters = new Map<PoolWaiter, number>(); // since when, in the order they came; at most maxWaiters
  readonly #dials = new Set<{ cancel(): void }>();
  #reaper: Timer | null = null;
  #expiry: Timer | null = null; // of the one who has waited longest, or sooner
  #isRetired = false;

  constructor(options: HttpPoolOptions) {
    this.#options = options;
  }

  /** Whether `take` may find a connection. */
  get hasRoom(): boolean {
    return this.#free.length > 0;
  }

  get waitingCount(): number {
    return this.#waiters.size;
  }

  /** A connection with room for one more stream, to be opened at once; undefined: `wait`. */
  take(): ClientConnection | undefined {
    while (this.#free.length > 0) {
      const connection = this.#free[this.#free.length - 1];
      if (!this.#options.isHttp2) {
        this.#free.pop();
        this.#idleSinceMs.pop();
      }
      if (connection.capacity() > 0) return connection;
      if (this.#options.isHttp2) this.#free.pop();
    }
    return undefined;
  }

  /** Waits for a new connection, or one that has room from now on; for those at hand only where no other may be made. */
  wait(waiter: PoolWaiter): void {
    if (this.#isRetired) {
      waiter.failed(takenAway());
      return;
    }
    const atHand = this.#isFull ? this.take() : undefined;
    if (atHand) {
      waiter.opened(atHand);
      return;
    }
    if (this.#waiters.size >= this.#options.maxWaiters) {
      const message = `${this.#options.peer}: ${this.#waiters.size} requests wait for a connection, which is the limit`;
      waiter.failed(new RelayError("load-shed", "proxy", "safe", message));
      return;
    }
    this.#waiters.set(waiter, this.#options.clock.monotonicMs());
    this.#expiry ??= this.#options.clock.schedule(this.#options.maxWaitMs, () => this.#expire());
    this.#dialIfNeeded();
  }

  cancelWait(waiter: PoolWaiter): void {
    if (this.#waiters.delete(waiter)) this.#options.observer.eased();
  }

  /** Dials though nobody waits, unless somebody does already; `observer` hears how that ends. */
  probe(): void {
    if (this.#isRetired || this.#dials.size > 0) return;
    if (this.#isFull) this.#options.observer.connected();
    else this.#dial();
  }

  available(connection: ClientConnection): void {
    if (!this.#all.has(connection)) return;
    if (this.#waiters.size > 0) this.#serveWaiters(connection);
    if (connection.capacity() === 0) return;
    this.#release(connection);
    this.#options.observer.eased();
  }

  gone(connection: ClientConnection): void {
    this.#all.delete(connection);
    const place = this.#free.indexOf(connection);
    if (place >= 0) {
      this.#free.splice(place, 1);
      this.#idleSinceMs.splice(place, 1);
    }
    if (this.#waiters.size > 0) this.#dialIfNeeded();
  }

  /** Takes nothing new; live streams finish. */
  retire(): void {
    this.#isRetired = true;
    this.#reaper?.cancel();
    this.#expiry?.cancel();
    for (const dial of this.#dials) dial.cancel();
    this.#dials.clear();
    for (const connection of [...this.#all]) connection.drain();
    this.#failWaiters(takenAway());
  }

  #serveWaiters(connection: ClientConnection): void {
    for (const waiter of this.#waiters.keys()) {
      if (connection.capacity() === 0) return;
      this.#waiters.delete(waiter);
      waiter.opened(connection);
    }
  }

  #release(connection: ClientConnection): void {
    if (this.#options.isHttp2) {
      if (!this.#free.includes(connection)) this.#free.push(connection);
      return;
    }
    if (this.#isRetired || this.#free.length >= this.#options.maxIdle) {
      connection.drain();
      return;
    }
    this.#free.push(connection);
    this.#idleSinceMs.push(this.#options.clock.monotonicMs());
    this.#reaper ??= this.#options.clock.schedule(this.#options.idleMs, () => this.#reap());
  }

  /** The oldest idle connections are at the front. */
  #reap(): void {
    this.#reaper = null;
    const cutoffMs = this.#options.clock.monotonicMs() - this.#options.idleMs;
    while (this.#free.length > 0 && this.#idleSinceMs[0]! <= cutoffMs) {
      this.#idleSinceMs.shift();
      this.#free.shift()!.drain();
    }
    if (this.#free.length > 0) this.#reaper = this.#options.clock.schedule(this.#options.idleMs, () => this.#reap());
  }

  /** No further connection may be made: the peer's limit of streams holds. */
  get #isFull(): boolean {
    return this.#options.isHttp2 && this.#all.size >= MAX_HTTP2_CONNECTIONS;
  }

  #dialIfNeeded(): void {
    const wanted = this.#options.isHttp2 ? 1 : this.#waiters.size;
    if (!this.#isRetired && this.#dials.size < wanted && !this.#isFull) this.#dial();
  }

  #dial(): void {
    const outcome: PoolOutcome = {
      connected: (connection) => {
        this.#dials.delete(dial);
        this.#connected(connection);
      },
      failed: (failure) => {
        this.#dials.delete(dial);
        this.#options.observer.connectFailed(failure);
        this.#failWaiters(failure);
      },
    };
    const dial = this.#options.dial(this, outcome);
    this.#dials.add(dial);
  }

  #connected(connection: ClientConnection): void {
    this.#all.add(connection);
    if (this.#isRetired) connection.drain();
    else this.available(connection);
    this.#options.observer.connected();
    if (this.#waiters.size > 0) this.#dialIfNeeded();
  }

  #expire(): void {
    const { clock, maxWaitMs, observer } = this.#options;
    this.#expiry = null;
    const expired: PoolWaiter[] = [];
    for (const [waiter, sinceMs] of this.#waiters) {
      const leftMs = sinceMs + maxWaitMs - clock.monotonicMs();
      if (leftMs > 0) {
        this.#expiry = clock.schedule(leftMs, () => this.#expire());
        break;
      }
      this.#waiters.delete(waiter);
      expired.push(waiter);
    }
    if (expired.length === 0) return;
    const failure = this.#waitedTooLong();
    for (const waiter of expired) waiter.failed(failure);
    observer.eased();
  }

  #waitedTooLong(): RelayError {
    const { peer, maxWaitMs } = this.#options;
    const what = this.#isFull
      ? `no stream became free for ${maxWaitMs} ms: each of ${this.#all.size} connections carries all that the peer allows`
      : `no connection within ${maxWaitMs} ms`;
    return new RelayError("fail-fast", "proxy", "safe", `${peer}: ${what}`);
  }

  #failWaiters(failure: RelayError): void {
    const waiters = [...this.#waiters.keys()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.failed(failure);
  }
}

function takenAway(): RelayError {
  return new RelayError("draining", "proxy", "safe", "the endpoint was taken away");
}
