import { Backoff, type BackoffOptions } from "#lib/backoff";
import type { Clock, Timer } from "#lib/clock";
import type { Random } from "#lib/random";
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

export interface HttpPoolOptions {
  /** HTTP/2 connections carry many streams and are kept; HTTP/1 ones carry one and are dropped when long idle. */
  readonly isHttp2: boolean;
  readonly dial: (owner: ClientConnectionOwner, outcome: PoolOutcome) => { cancel(): void };
  readonly clock: Clock;
  readonly random: Random;
  readonly backoff: BackoffOptions;
  readonly maxIdle: number;
  readonly idleMs: number;
  readonly maxWaiters: number;
  /** The pool may have become usable again. */
  readonly changed: () => void;
}

/** HTTP/2 connections to one peer at most: beyond this, requests wait for streams. */
const MAX_HTTP2_CONNECTIONS = 4;

/** Connections of one protocol version to one peer. After a failed dial it steps back for a while (`isReady` is false). */
export class HttpPool implements ClientConnectionOwner {
  readonly #options: HttpPoolOptions;
  readonly #backoff: Backoff;
  readonly #all = new Set<ClientConnection>();
  #free: ClientConnection[] = []; // HTTP/1: idle, the most recent last; HTTP/2: those with capacity when last seen
  readonly #idleSinceMs = new Map<ClientConnection, number>(); // HTTP/1
  readonly #waiters: PoolWaiter[] = []; // at most maxWaiters
  readonly #dials = new Set<{ cancel(): void }>();
  #retryAtMs = 0;
  #reaper: Timer | null = null;
  #isRetired = false;

  constructor(options: HttpPoolOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff, options.random);
  }

  get isReady(): boolean {
    return this.#free.length > 0 || this.#options.clock.monotonicMs() >= this.#retryAtMs;
  }

  /** A connection with room for one more stream, to be opened at once; undefined: `wait`. */
  take(): ClientConnection | undefined {
    while (this.#free.length > 0) {
      const connection = this.#free[this.#free.length - 1];
      if (!this.#options.isHttp2) {
        this.#free.pop();
        this.#idleSinceMs.delete(connection);
      }
      if (connection.capacity() > 0) return connection;
      if (this.#options.isHttp2) this.#free.pop();
    }
    return undefined;
  }

  wait(waiter: PoolWaiter): void {
    if (this.#isRetired) {
      waiter.failed(takenAway());
      return;
    }
    if (this.#waiters.length >= this.#options.maxWaiters) {
      waiter.failed(new RelayError("load-shed", "proxy", "safe", "too many requests wait for a connection"));
      return;
    }
    this.#waiters.push(waiter);
    this.#dialIfNeeded();
  }

  cancelWait(waiter: PoolWaiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  available(connection: ClientConnection): void {
    if (!this.#all.has(connection)) return;
    while (this.#waiters.length > 0 && connection.capacity() > 0) this.#waiters.shift()!.opened(connection);
    if (connection.capacity() > 0) this.#release(connection);
  }

  gone(connection: ClientConnection): void {
    this.#all.delete(connection);
    this.#idleSinceMs.delete(connection);
    this.#free = this.#free.filter((free) => free !== connection);
    if (this.#waiters.length > 0) this.#dialIfNeeded();
  }

  /** Takes nothing new; live streams finish. */
  retire(): void {
    this.#isRetired = true;
    this.#reaper?.cancel();
    for (const dial of this.#dials) dial.cancel();
    this.#dials.clear();
    for (const connection of [...this.#all]) connection.drain();
    this.#failWaiters(takenAway());
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
    this.#idleSinceMs.set(connection, this.#options.clock.monotonicMs());
    this.#reaper ??= this.#options.clock.schedule(this.#options.idleMs, () => this.#reap());
  }

  /** The oldest idle connections are at the front. */
  #reap(): void {
    this.#reaper = null;
    const cutoffMs = this.#options.clock.monotonicMs() - this.#options.idleMs;
    while (this.#free.length > 0 && (this.#idleSinceMs.get(this.#free[0]) ?? 0) <= cutoffMs) {
      const connection = this.#free.shift()!;
      this.#idleSinceMs.delete(connection);
      connection.drain();
    }
    if (this.#free.length > 0) this.#reaper = this.#options.clock.schedule(this.#options.idleMs, () => this.#reap());
  }

  #dialIfNeeded(): void {
    const { isHttp2 } = this.#options;
    const wanted = isHttp2 ? 1 : this.#waiters.length;
    if (this.#isRetired || this.#dials.size >= wanted) return;
    if (isHttp2 && this.#all.size >= MAX_HTTP2_CONNECTIONS) return;
    const outcome: PoolOutcome = {
      connected: (connection) => {
        this.#dials.delete(dial);
        this.#connected(connection);
      },
      failed: (failure) => {
        this.#dials.delete(dial);
        this.#retryAtMs = this.#options.clock.monotonicMs() + this.#backoff.nextMs();
        this.#failWaiters(failure);
      },
    };
    const dial = this.#options.dial(this, outcome);
    this.#dials.add(dial);
  }

  #connected(connection: ClientConnection): void {
    this.#backoff.reset();
    this.#retryAtMs = 0;
    this.#all.add(connection);
    if (this.#isRetired) connection.drain();
    else this.available(connection);
    this.#options.changed();
  }

  #failWaiters(failure: RelayError): void {
    for (const waiter of this.#waiters.splice(0)) waiter.failed(failure);
  }
}

function takenAway(): RelayError {
  return new RelayError("draining", "proxy", "safe", "the endpoint was taken away");
}
