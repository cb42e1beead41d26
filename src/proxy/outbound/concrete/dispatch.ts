import type { HeaderLine } from "#fields";
import type { RequestHead } from "#message";
import type { RelayError } from "../../errors.ts";
import type { HttpPool, PoolWaiter } from "../../pool/http-pool.ts";
import type { ClientConnection } from "../../relay/exchange.ts";
import type { CallOrigin, CallTarget, HttpCall } from "../../relay/http-call.ts";
import type { BalancedEndpoint, Balancer, Waiter } from "./balancer.ts";

/** A peer as a call sees it that wants to go there. */
export interface DispatchEndpoint extends BalancedEndpoint, CallTarget {
  poolFor(head: RequestHead): HttpPool;
  /** May edit the head and what is added to it. */
  open(connection: ClientConnection, head: RequestHead, added: HeaderLine[], call: HttpCall): void;
}

/**
 * A call that waits for an endpoint (in the balancer's queue) and then for a connection, or that came back from one:
 *
 *   waits for an endpoint <--> waits for its connection --> sent --not processed--> another endpoint, the same anew
 */
export class Dispatch<E extends DispatchEndpoint> implements Waiter, PoolWaiter, CallOrigin {
  readonly #balancer: Balancer<E>;
  readonly #call: HttpCall;
  #head: RequestHead;
  #added: HeaderLine[];
  #endpoint: E | null = null; // the one whose connection we wait for, or got
  #pool: HttpPool | null = null; // where we wait for it
  #tried: E[] | null = null; // no connection came of them, or no answer, since we last waited for any
  #isLastTry = false;

  /** The head and what is added to it are ours. */
  constructor(balancer: Balancer<E>, call: HttpCall, head: RequestHead, added: HeaderLine[]) {
    this.#balancer = balancer;
    this.#call = call;
    this.#head = head;
    this.#added = added;
    call.holdUntilDone(() => this.#cancel());
    call.watch();
  }

  /** Waits for this endpoint's connection; without one, for any endpoint. */
  start(endpoint: E | undefined): void {
    if (this.#call.isDone) return;
    if (endpoint) this.#await(endpoint);
    else this.#balancer.wait(this);
  }

  wake(): void {
    this.#tried = null;
    this.start(this.#balancer.pick());
  }

  opened(connection: ClientConnection): void {
    this.#pool = null;
    if (this.#call.isDone) return;
    this.#call.keep(this.#head, this.#added, this);
    this.#endpoint!.open(connection, this.#head, this.#added, this.#call);
  }

  /** A connection could not be made, or its endpoint left: the next one. A full queue or a shut gate is final. */
  failed(failure: RelayError): void {
    const isFinal = this.#pool === null || failure.code === "load-shed";
    this.#pool = null;
    if (this.#call.isDone) return;
    const isLate = failure.code !== "draining" && this.#balancer.isOverdue(this.#call.startedAtMs);
    if (isFinal || isLate) this.#call.fail(failure);
    else this.#awaitOther(failure);
  }

  /**
   * Other endpoints are tried first, then the last one once more, on a connection that shows life only from now on: those
   * that are at hand may be as dead as the one that it came back from.
   */
  returned(call: HttpCall, target: CallTarget, cause: RelayError): boolean {
    const kept = call.kept!;
    const endpoint = target as E;
    const other = this.#otherThan(endpoint);
    if (++kept.returnCount > MAX_RETURNS || (!other && this.#isLastTry)) return false;
    this.#isLastTry = !other;
    target.returned(cause);
    this.#head = kept.head.copy();
    this.#added = [...kept.added];
    if (other) this.#await(other);
    else this.#awaitIn(endpoint.poolFor(this.#head), endpoint);
    return true;
  }

  /** Nothing was sent. Each endpoint is tried once; when none is left, we wait until one is ready anew. */
  #awaitOther(failure: RelayError): void {
    const other = this.#otherThan(this.#endpoint!);
    if (other) this.#await(other);
    else if (this.#balancer.hasReady) this.#call.fail(failure);
    else this.#balancer.wait(this);
  }

  #otherThan(tried: E): E | undefined {
    this.#tried ??= [];
    this.#tried.push(tried);
    return this.#balancer.pickOther(this.#tried);
  }

  #await(endpoint: E): void {
    const pool = endpoint.poolFor(this.#head);
    const connection = pool.take();
    if (!connection) {
      this.#awaitIn(pool, endpoint);
      return;
    }
    this.#endpoint = endpoint;
    this.opened(connection);
  }

  #awaitIn(pool: HttpPool, endpoint: E): void {
    this.#endpoint = endpoint;
    this.#pool = pool;
    pool.wait(this);
  }

  #cancel(): void {
    this.#balancer.cancelWait(this);
    this.#pool?.cancelWait(this);
  }
}

/** Bounds what peers that process nothing can make of one request. */
const MAX_RETURNS = 3;
