import type { Clock, Timer } from "#lib/clock";
import type { Random } from "#lib/random";
import { type Choice, pickP2c } from "../../balance/p2c.ts";
import { RelayError } from "../../errors.ts";
import type { EndpointInfo } from "../endpoint/endpoint-info.ts";
import type { EndpointListener } from "./endpoint-sets.ts";

/**
 * What an endpoint has shown: nothing yet (it is taken for ready), that connections to it can be made, that they cannot,
 * or that its answers are failures, so that the breaker keeps it out.
 */
export type EndpointState = "untried" | "ready" | "unreachable" | "ejected";

/** One peer among which is chosen. `isReady` also while a probe may pass to one that is ejected. */
export interface BalancedEndpoint extends Choice {
  readonly info: EndpointInfo;
  readonly state: EndpointState;
  /** Nothing is taken for granted any more: an untried one becomes unreachable until a connection stands. */
  doubt(): void;
  /** It left the set: finishes what it has, takes nothing new. */
  retire(): void;
}

/** What an endpoint tells its balancer. */
export interface EndpointOwner {
  /** `isReady` or `state` may be another than before. */
  changed(): void;
  /** A connection could not be made. */
  connectFailed(failure: RelayError): void;
}

/** Waits for an endpoint to become ready. */
export interface Waiter {
  /** Try again now. */
  wake(): void;
  failed(failure: RelayError): void;
}

export interface BalancerObserver {
  endpoints(ready: number, pending: number): void;
  queued(length: number): void;
  gate(isOpen: boolean): void;
}

export interface BalancerDeps<E extends BalancedEndpoint> {
  /** What is balanced, for messages: `Service.shop.web:80`. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly queueCapacity: number;
  readonly failfastMs: number;
  readonly makeEndpoint: (info: EndpointInfo, owner: EndpointOwner) => E;
  readonly observer: BalancerObserver;
}

/**
 * Chooses among the endpoints of one name. When none is ready, requests wait; when none has become ready for
 * `failfastMs`, the gate shuts: those waiting fail, and new ones fail at once. It opens when an endpoint has shown that
 * it is ready: a connection stands, a breaker's probe has succeeded. Endpoints find that out by themselves.
 */
export class Balancer<E extends BalancedEndpoint> implements EndpointListener {
  readonly #deps: BalancerDeps<E>;
  #endpoints: E[] = [];
  #byAddress = new Map<string, E>();
  #isKnown = false;
  readonly #waiters = new Set<Waiter>(); // in the order they came; at most queueCapacity
  #deadline: Timer | null = null;
  #isShut = false;
  #isClosed = false;
  #connectFailure: RelayError | null = null; // the last one since an endpoint was ready
  readonly #owner: EndpointOwner;

  constructor(deps: BalancerDeps<E>) {
    this.#deps = deps;
    this.#owner = { changed: () => this.#changed(), connectFailed: (failure) => this.#noteFailure(failure) };
  }

  get hasReady(): boolean {
    return this.#endpoints.some(({ isReady }) => isReady);
  }

  /** Whether someone who began then has waited long enough: endpoints that come back only to fail are not ready either. */
  isOverdue(startedAtMs: number): boolean {
    return this.#deps.clock.monotonicMs() - startedAtMs >= this.#deps.failfastMs;
  }

  endpoints(current: ReadonlyMap<string, EndpointInfo>): void {
    const next = new Map<string, E>();
    for (const [address, info] of current) {
      const known = this.#byAddress.get(address);
      const isSame = known?.info.fingerprint === info.fingerprint;
      next.set(address, isSame ? known : this.#deps.makeEndpoint(info, this.#owner));
    }
    const left = [...this.#byAddress].filter(([address, endpoint]) => next.get(address) !== endpoint);
    this.#byAddress = next;
    this.#endpoints = [...next.values()];
    this.#isKnown = true;
    if (this.#isShut) for (const endpoint of this.#endpoints) endpoint.doubt();
    this.#changed();
    for (const [, endpoint] of left) endpoint.retire(); // last: what waits there now finds those that stay
  }

  /** A ready endpoint, or undefined: then `wait`. */
  pick(): E | undefined {
    return pickP2c(this.#endpoints, this.#deps.random, this.#deps.clock.monotonicMs());
  }

  /** A ready endpoint that was not tried yet. */
  pickOther(tried: readonly E[]): E | undefined {
    const others = this.#endpoints.filter((endpoint) => !tried.includes(endpoint));
    return pickP2c(others, this.#deps.random, this.#deps.clock.monotonicMs());
  }

  /** Waits for readiness. Fails at once when the gate is shut or the queue full. */
  wait(waiter: Waiter): void {
    if (this.#isClosed) {
      waiter.failed(this.#closedError());
      return;
    }
    if (this.#isShut) {
      waiter.failed(this.#failFast());
      return;
    }
    if (this.#waiters.size >= this.#deps.queueCapacity) {
      waiter.failed(new RelayError("load-shed", "proxy", "safe", `${this.#deps.name}: queue full`));
      return;
    }
    this.#waiters.add(waiter);
    this.#deps.observer.queued(this.#waiters.size);
    this.#startDeadline();
  }

  cancelWait(waiter: Waiter): void {
    if (this.#waiters.delete(waiter)) this.#deps.observer.queued(this.#waiters.size);
  }

  /** Nobody refers to this any more: what waits, here or at an endpoint, fails. */
  close(): void {
    this.#isClosed = true;
    this.#deadline?.cancel();
    for (const endpoint of this.#endpoints.splice(0)) endpoint.retire();
    for (const waiter of this.#takeWaiters()) waiter.failed(this.#closedError());
  }

  #closedError(): RelayError {
    return new RelayError("draining", "proxy", "safe", `${this.#deps.name}: the backend was taken away`);
  }

  /** Endpoints tell of every change, by time alone as well: nothing is looked at in between. */
  #changed(): void {
    if (this.#isClosed) return;
    this.#report();
    if (this.#endpoints.some(({ state }) => state === "ready")) this.#open();
    if (this.hasReady) this.#wake();
    else if (this.#endpoints.length > 0) this.#startDeadline();
  }

  #noteFailure(failure: RelayError): void {
    this.#connectFailure = failure;
  }

  #open(): void {
    this.#connectFailure = null;
    if (this.#isShut) this.#deps.observer.gate(true);
    this.#isShut = false;
    this.#deadline?.cancel();
    this.#deadline = null;
  }

  #wake(): void {
    for (const waiter of this.#takeWaiters()) waiter.wake();
  }

  #takeWaiters(): Waiter[] {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    if (waiters.length > 0) this.#deps.observer.queued(0);
    return waiters;
  }

  #startDeadline(): void {
    if (!this.#isShut) this.#deadline ??= this.#deps.clock.schedule(this.#deps.failfastMs, () => this.#shut());
  }

  /** Not when the next request would find an endpoint to try: nobody waits then. */
  #shut(): void {
    this.#deadline = null;
    if (this.hasReady) return;
    this.#isShut = true;
    this.#deps.observer.gate(false);
    for (const waiter of this.#takeWaiters()) waiter.failed(this.#failFast());
  }

  /** Who is on call learns how many endpoints there are, what each has shown, and why connections fail. */
  #failFast(): RelayError {
    const { name, failfastMs } = this.#deps;
    const because = (code: "fail-fast" | "no-endpoints", state: string) =>
      new RelayError(code, "proxy", "safe", `${name}: service in fail-fast: ${state}`);
    if (!this.#isKnown) {
      return because("fail-fast", "its endpoints are not known yet: no answer from the destination service");
    }
    if (this.#endpoints.length === 0) return because("no-endpoints", "it has no endpoints");
    const count = (wanted: EndpointState) => this.#endpoints.filter(({ state }) => state === wanted).length;
    const states = `${count("unreachable")} cannot be reached, ${count("ejected")} ejected by the circuit breaker`;
    const last = this.#connectFailure ? `; last connect error: ${this.#connectFailure.message}` : "";
    const none = `none of ${this.#endpoints.length} endpoints was ready for ${failfastMs} ms`;
    return because("fail-fast", `${none} (${states})${last}`);
  }

  #report(): void {
    const ready = this.#endpoints.filter(({ isReady }) => isReady).length;
    this.#deps.observer.endpoints(ready, this.#endpoints.length - ready);
  }
}
