import { Backoff, type BackoffOptions } from "#lib/backoff";
import type { Clock, Timer } from "#lib/clock";
import type { Random } from "#lib/random";
import {
  GRPC_DEADLINE_EXCEEDED,
  GRPC_FAILED_PRECONDITION,
  GRPC_INTERNAL,
  GRPC_INVALID_ARGUMENT,
  GRPC_NOT_FOUND,
  GRPC_OK,
  GRPC_UNIMPLEMENTED,
  type GrpcChannel,
  type GrpcSink,
  type GrpcStatus,
} from "./channel.ts";

export interface StreamLimits {
  readonly initialMs: number | undefined;
  readonly idleMs: number | undefined;
  readonly lifetimeMs: number | undefined;
}

/** What every watch needs. */
export interface WatchDeps {
  readonly channel: GrpcChannel;
  readonly clock: Clock;
  readonly random: Random;
  readonly backoff: BackoffOptions;
  readonly limits: StreamLimits;
}

export interface WatchOptions<T> {
  readonly path: string;
  readonly request: Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
  readonly message: (value: T, isFirstOfStream: boolean) => void;
  /** The server knows no such thing (NOT_FOUND, UNIMPLEMENTED). Asked again unless `endsWhenMissing`. */
  readonly missing?: () => void;
  readonly endsWhenMissing?: boolean;
  /** The request can never be answered (INVALID_ARGUMENT, FAILED_PRECONDITION): nothing more comes. */
  readonly refused?: (status: GrpcStatus) => void;
}

/**
 * One server stream kept alive: reopened with growing delays when it ends, whatever the reason, until `stop`.
 * The server sends its full state first on each opening; in between, what was last heard stays true for the listener.
 */
export class Watch<T> implements GrpcSink {
  readonly #deps: WatchDeps;
  readonly #options: WatchOptions<T>;
  readonly #backoff: Backoff;
  #call: { cancel(): void } | null = null;
  #retry: Timer | null = null;
  #limit: Timer | null = null;
  #lifetime: Timer | null = null;
  #isOpen = false;
  #hasMessage = false;
  #isStopped = false;
  #heardAtMs = -1;
  #isAway = false;

  constructor(deps: WatchDeps, options: WatchOptions<T>) {
    this.#deps = deps;
    this.#options = options;
    const maxMs = Math.min(deps.backoff.maxMs, MAX_BACKOFF_MS);
    this.#backoff = new Backoff({ ...deps.backoff, maxMs }, deps.random);
  }

  /** True while a stream is open that has delivered something. */
  get isConnected(): boolean {
    return this.#call !== null && this.#hasMessage;
  }

  /** True while the server cannot be asked: the last stream broke off, and none has been answered since. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Monotonic instant of the last message; -1 before the first. */
  get heardAtMs(): number {
    return this.#heardAtMs;
  }

  start(): void {
    if (this.#isStopped) return;
    const { limits, clock, channel } = this.#deps;
    this.#hasMessage = false;
    this.#isOpen = true;
    const call = channel.call(this.#options.path, this.#options.request, this);
    if (!this.#isOpen) return; // it has ended already
    this.#call = call;
    this.#limitTo(limits.initialMs ?? limits.idleMs);
    if (limits.lifetimeMs !== undefined)
      this.#lifetime = clock.schedule(limits.lifetimeMs, () => this.#expire(GRPC_OK));
  }

  stop(): void {
    this.#isStopped = true;
    this.#clear();
  }

  /** @internal From the channel. */
  closed(status: GrpcStatus): void {
    this.#isOpen = false;
    this.#ended(status);
  }

  /** @internal From the channel. */
  message(bytes: Uint8Array): void {
    const isFirst = !this.#hasMessage;
    this.#hasMessage = true;
    this.#limitTo(this.#deps.limits.idleMs);
    let value: T;
    try {
      value = this.#options.decode(bytes);
    } catch (cause) {
      this.#call?.cancel();
      this.#ended({ code: GRPC_INTERNAL, message: `a message that cannot be read: ${(cause as Error).message}` });
      return;
    }
    this.#heardAtMs = this.#deps.clock.monotonicMs();
    this.#isAway = false;
    this.#backoff.reset(); // only for what could be read: a server that sends garbage is asked less and less often
    this.#options.message(value, isFirst);
  }

  #ended(status: GrpcStatus): void {
    this.#clear();
    if (this.#isStopped) return;
    this.#isAway = !ANSWERS.has(status.code);
    if (status.code === GRPC_INVALID_ARGUMENT || status.code === GRPC_FAILED_PRECONDITION) {
      this.#isStopped = true;
      this.#options.refused?.(status);
      return;
    }
    if (status.code === GRPC_NOT_FOUND || status.code === GRPC_UNIMPLEMENTED) {
      this.#heardAtMs = this.#deps.clock.monotonicMs();
      if (this.#options.endsWhenMissing) this.#isStopped = true;
      this.#options.missing?.();
    }
    if (!this.#isStopped) this.#retry = this.#deps.clock.schedule(this.#backoff.nextMs(), () => this.start());
  }

  #limitTo(afterMs: number | undefined): void {
    this.#limit?.cancel();
    this.#limit =
      afterMs === undefined ? null : this.#deps.clock.schedule(afterMs, () => this.#expire(GRPC_DEADLINE_EXCEEDED));
  }

  #expire(code: number): void {
    this.#call?.cancel();
    this.#ended({ code, message: "stream limit reached" });
  }

  #clear(): void {
    const call = this.#call;
    this.#call = null;
    this.#limit?.cancel();
    this.#lifetime?.cancel();
    this.#retry?.cancel();
    call?.cancel();
  }
}

/** Statuses that a server in order gives. */
const ANSWERS: ReadonlySet<number> = new Set([
  GRPC_OK,
  GRPC_INVALID_ARGUMENT,
  GRPC_NOT_FOUND,
  GRPC_FAILED_PRECONDITION,
  GRPC_UNIMPLEMENTED,
]);

/**
 * However long the control plane was away, its view of the cluster is asked for again this soon: pods that went
 * meanwhile are called until then. Delays to endpoints may grow further (`connectBackoff`).
 */
const MAX_BACKOFF_MS = 5_000;
