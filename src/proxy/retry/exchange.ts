import { type Fields, type HeaderLine, knownId } from "#fields";
import { Backoff } from "#lib/backoff";
import type { Clock } from "#lib/clock";
import type { Random } from "#lib/random";
import type { ResponseHead } from "#message";
import type { RelayError } from "../errors.ts";
import type { RequestSink, ServerStream } from "../relay/exchange.ts";
import { isRetryableStatus, type RetryPolicy } from "./policy.ts";

export interface RetryDeps {
  readonly policy: RetryPolicy;
  readonly isGrpc: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Sends the request once; the attempt is the stream that is answered. */
  readonly attempt: (stream: AttemptStream) => void;
  readonly observer: RetryObserver;
  /** The client has its answer, or is gone. May be called more than once. */
  readonly done: () => void;
}

export interface RetryObserver {
  retried(): void;
  succeeded(): void;
  limitExceeded(): void;
  overflowed(): void;
}

/**
 * One client's request that may be sent several times. Stands between the client's stream and the attempts: keeps the
 * request's body (up to the policy's limit) to say it again, and holds an attempt's answer back while another may follow.
 *
 *   attempt n --answer to keep--> the client
 *      '--answer to retry, body kept, attempts left--> backoff --> attempt n+1
 */
export class RetryingExchange implements RequestSink {
  readonly client: ServerStream;
  readonly deps: RetryDeps;
  readonly #backoff: Backoff;
  #chunks: Uint8Array[] = [];
  #byteCount = 0;
  #hasOverflowed = false;
  #hasEnded = false;
  #trailers: Fields | null = null;
  #attemptCount = 0;
  #current: AttemptStream | null = null;
  #isGone = false;

  constructor(client: ServerStream, deps: RetryDeps) {
    this.client = client;
    this.deps = deps;
    this.#backoff = new Backoff(deps.policy.backoff, deps.random);
  }

  start(): void {
    this.#next();
    this.client.receive(this);
  }

  /** No attempt follows the one under way. */
  get isLastAttempt(): boolean {
    return this.#attemptCount > this.deps.policy.maxRetries;
  }

  /** Whether an answer that asks for it leads to another attempt. An answer before the whole request was read does not. */
  mayRetry(): boolean {
    if (this.#isGone || !this.#hasEnded) return false;
    if (this.#hasOverflowed) {
      this.deps.observer.overflowed();
      return false;
    }
    const { budget } = this.deps.policy;
    if (!this.isLastAttempt && (!budget || budget.withdraw(this.deps.clock.monotonicMs()))) return true;
    this.deps.observer.limitExceeded();
    return false;
  }

  retry(): void {
    this.deps.observer.retried();
    this.#current = null;
    this.deps.clock.schedule(this.#backoff.nextMs(), () => {
      if (!this.#isGone) this.#next();
    });
  }

  answered(): void {
    this.deps.policy.budget?.deposit(this.deps.clock.monotonicMs());
    if (this.#attemptCount > 1) this.deps.observer.succeeded();
  }

  /** Says the request's body so far to an attempt; the rest follows as it comes. */
  replay(sink: RequestSink): void {
    for (const chunk of this.#chunks) sink.body(chunk, 0, chunk.length);
    if (this.#hasEnded) sink.end(this.#trailers);
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    this.#byteCount += to - from;
    if (this.#byteCount > this.deps.policy.maxRequestBytes) {
      this.#hasOverflowed = true;
      if (this.#current?.sink) this.#chunks = []; // it was said already, and will not be said again
    }
    const sink = this.#current?.sink;
    if (!this.#hasOverflowed || !sink) this.#chunks.push(chunk.slice(from, to));
    if (sink) return sink.body(chunk, from, to);
    return !this.#hasOverflowed; // nobody reads yet: the client waits beyond the limit
  }

  end(trailers: Fields | null): void {
    this.#hasEnded = true;
    this.#trailers = trailers?.copy() ?? null;
    this.#current?.sink?.end(trailers);
  }

  abort(cause: RelayError): void {
    this.#isGone = true;
    (this.#current?.sink ?? this.#current?.watcher)?.abort(cause);
    this.deps.done();
  }

  resumeResponse(): void {
    this.#current?.sink?.resumeResponse();
  }

  #next(): void {
    this.#attemptCount++;
    const attempt = new AttemptStream(this);
    this.#current = attempt;
    this.deps.attempt(attempt);
  }
}

/** The client's stream as one attempt sees it. After a retry was decided, what the attempt still says is dropped. */
export class AttemptStream implements ServerStream {
  sink: RequestSink | null = null;
  watcher: RequestSink | null = null;
  readonly #exchange: RetryingExchange;
  #isDropped = false;
  /** A gRPC head whose status is still to come in the trailers. */
  #held: { head: ResponseHead; added: readonly HeaderLine[] } | null = null;
  /** The proxy's own reason, when the attempt never got an answer. */
  #failure: RelayError | null = null;

  constructor(exchange: RetryingExchange) {
    this.#exchange = exchange;
  }

  get isLast(): boolean {
    return this.#exchange.isLastAttempt;
  }

  failed(cause: RelayError): void {
    this.#failure = cause;
  }

  receive(sink: RequestSink): void {
    this.sink = sink;
    this.#exchange.replay(sink);
    this.#exchange.client.resume();
  }

  watch(sink: RequestSink): void {
    this.watcher = sink;
  }

  respond(head: ResponseHead, added: readonly HeaderLine[]): void {
    if (this.#isDropped) return;
    if (head.status >= 100 && head.status < 200 && head.status !== 101) return; // an attempt may yet be dropped
    const grpcStatus = this.#exchange.deps.isGrpc ? grpcStatusIn(head.fields) : -1;
    if (this.#asksRetry(head.status, grpcStatus) && this.#exchange.mayRetry()) {
      this.#drop();
      return;
    }
    const isOpenGrpc = this.#exchange.deps.isGrpc && grpcStatus < 0 && !this.#failure && !this.isLast;
    if (isOpenGrpc) this.#held = { head: head.copy(), added: [...added] };
    else this.#pass(head, added);
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    if (this.#isDropped) return true;
    this.#flush();
    return this.#exchange.client.body(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    if (this.#isDropped) return;
    const grpcStatus = this.#held && trailers ? grpcStatusIn(trailers) : -1;
    if (this.#held && this.#exchange.deps.policy.grpcCodes.has(grpcStatus) && this.#exchange.mayRetry()) {
      this.#drop();
      return;
    }
    this.#flush();
    this.#exchange.client.end(trailers);
    this.#exchange.deps.done();
  }

  abort(cause: RelayError): void {
    if (this.#isDropped) return;
    this.#exchange.client.abort(cause);
    this.#exchange.deps.done();
  }

  pause(): void {
    if (!this.#isDropped) this.#exchange.client.pause();
  }

  resume(): void {
    if (!this.#isDropped) this.#exchange.client.resume();
  }

  closeAfter(): void {
    if (!this.#isDropped && !this.#failure) this.#exchange.client.closeAfter();
  }

  #asksRetry(status: number, grpcStatus: number): boolean {
    const { policy } = this.#exchange.deps;
    if (this.#failure) return RETRYABLE.has(this.#failure.code) || isRetryableStatus(policy, status);
    return grpcStatus >= 0 ? policy.grpcCodes.has(grpcStatus) : isRetryableStatus(policy, status);
  }

  #drop(): void {
    this.#isDropped = true;
    this.#exchange.retry();
  }

  #flush(): void {
    const held = this.#held;
    this.#held = null;
    if (held) this.#pass(held.head, held.added);
  }

  #pass(head: ResponseHead, added: readonly HeaderLine[]): void {
    this.#exchange.answered();
    this.#exchange.client.respond(head, added);
  }
}

function grpcStatusIn(fields: Fields): number {
  const index = fields.find(GRPC_STATUS);
  return index < 0 ? -1 : Number.parseInt(fields.value(index), 10);
}

const GRPC_STATUS = knownId("grpc-status");
/** Errors after which another attempt may do better: nothing was ready, no head in time, or the peer refused the stream. */
const RETRYABLE = new Set<RelayError["code"]>(["fail-fast", "no-endpoints", "response-timeout", "goaway"]);
