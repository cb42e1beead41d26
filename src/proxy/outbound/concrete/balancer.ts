import type { Clock, Timer } from "#lib/clock";
import type { Random } from "#lib/random";
import { type Choice, pickP2c } from "../../balance/p2c.ts";
import { RelayError } from "../../errors.ts";
import type { EndpointInfo } from "../endpoint/endpoint-info.ts";
import type { EndpointListener } from "./endpoint-sets.ts";

/** One peer among which is chosen. */
export interface BalancedEndpoint extends Choice {
  readonly info: EndpointInfo;
  /** It left the set: finishes what it has, takes nothing new. */
  retire(): void;
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
  /** `changed` is to be called when the endpoint may have become ready. */
  readonly makeEndpoint: (info: EndpointInfo, changed: () => void) => E;
  readonly observer: BalancerObserver;
}

/**
 * Chooses among the endpoints of one name. When none is ready, requests wait; when none becomes ready for `failfastMs`
 * the gate shuts: those waiting fail, and new ones fail at once, until an endpoint is ready again.
 */
export class Balancer<E extends BalancedEndpoint> implements EndpointListener {
  readonly #deps: BalancerDeps<E>;
  #endpoints: E[] = [];
  #byAddress = new Map<string, E>();
  #isKnown = false;
  #waiters: Waiter[] = []; // at most queueCapacity
  #deadline: Timer | null = null;
  #recheck: Timer | null = null;
  #isShut = false;
  #isClosed = false;

  constructor(deps: BalancerDeps<E>) {
    this.#deps = deps;
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
      next.set(address, isSame ? known : this.#deps.makeEndpoint(info, () => this.#wake()));
    }
    const left = [...this.#byAddress].filter(([address, endpoint]) => next.get(address) !== endpoint);
    this.#byAddress = next;
    this.#endpoints = [...next.values()];
    this.#isKnown = true;
    this.#report();
    this.#wake();
    for (const [, endpoint] of left) endpoint.retire(); // last: what waits there now finds those that stay
  }

  /** A ready endpoint, or undefined: then `wait`. */
  pick(): E | undefined {
    return pickP2c(this.#endpoints, this.#deps.random, this.#deps.clock.monotonicMs());
  }

  /** Waits for readiness. Fails at once when the gate is shut or the queue full. */
  wait(waiter: Waiter): void {
    if (this.#isClosed) {
      waiter.failed(this.#closedError());
      return;
    }
    if (this.#isShut) {
      this.#scheduleRecheck();
      waiter.failed(this.#failFast());
      return;
    }
    if (this.#waiters.length >= this.#deps.queueCapacity) {
      waiter.failed(new RelayError("load-shed", "proxy", "safe", `${this.#deps.name}: queue full`));
      return;
    }
    this.#waiters.push(waiter);
    this.#deps.observer.queued(this.#waiters.length);
    this.#deadline ??= this.#deps.clock.schedule(this.#deps.failfastMs, () => this.#shut());
    this.#scheduleRecheck();
  }

  cancelWait(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  /** Nobody refers to this any more: what waits, here or at an endpoint, fails. */
  close(): void {
    this.#isClosed = true;
    this.#deadline?.cancel();
    this.#recheck?.cancel();
    for (const endpoint of this.#endpoints.splice(0)) endpoint.retire();
    for (const waiter of this.#waiters.splice(0)) waiter.failed(this.#closedError());
  }

  #closedError(): RelayError {
    return new RelayError("draining", "proxy", "safe", `${this.#deps.name}: the backend was taken away`);
  }

  #wake(): void {
    if (!this.#endpoints.some(({ isReady }) => isReady)) return;
    if (this.#isShut) this.#deps.observer.gate(true);
    this.#isShut = false;
    this.#deadline?.cancel();
    this.#deadline = null;
    const woken = this.#waiters.splice(0);
    this.#deps.observer.queued(0);
    this.#report();
    for (const waiter of woken) waiter.wake();
  }

  /** Readiness also comes back by time alone: a backoff ends. */
  #scheduleRecheck(): void {
    this.#recheck ??= this.#deps.clock.schedule(this.#isShut ? RECHECK_SHUT_MS : RECHECK_MS, () => {
      this.#recheck = null;
      this.#wake();
      if (this.#waiters.length > 0 || this.#isShut) this.#scheduleRecheck();
    });
  }

  #shut(): void {
    this.#deadline = null;
    this.#isShut = true;
    this.#deps.observer.gate(false);
    const failed = this.#waiters.splice(0);
    for (const waiter of failed) waiter.failed(this.#failFast());
    this.#scheduleRecheck();
  }

  #failFast(): RelayError {
    const { name, failfastMs } = this.#deps;
    if (this.#isKnown && this.#endpoints.length === 0) {
      return new RelayError("no-endpoints", "proxy", "safe", `${name}: service in fail-fast: it has no endpoints`);
    }
    const state = this.#isKnown
      ? `none of ${this.#endpoints.length} endpoints was ready for ${failfastMs} ms`
      : "its endpoints are not known yet: no answer from the destination service";
    return new RelayError("fail-fast", "proxy", "safe", `${name}: service in fail-fast: ${state}`);
  }

  #report(): void {
    const ready = this.#endpoints.filter(({ isReady }) => isReady).length;
    this.#deps.observer.endpoints(ready, this.#endpoints.length - ready);
  }
}

const RECHECK_MS = 50;
/** Nobody waits at a shut gate: who asks looks for a ready endpoint first. */
const RECHECK_SHUT_MS = 1_000;
