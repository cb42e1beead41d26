import { Backoff, type BackoffOptions } from "#lib/backoff";
import type { Clock, Timer } from "#lib/clock";
import type { Random } from "#lib/random";

export interface ReachabilityDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly connectBackoff: BackoffOptions;
}

export interface ReachabilityOwner {
  /** Makes a connection that nobody asked for; how it ends is told by `connected` or `failed`. */
  probe(): void;
  /** A connection has succeeded or failed, unlike the one before. */
  changed(): void;
}

/**
 * Whether connections to one peer can be made. Nobody has tried: taken for granted. One has failed: not until one
 * stands, and the proxy tries by itself, with growing delays; time alone changes nothing.
 *
 *   untried --connected--> up <--connected-- down --.
 *      |                    '-----failed-----^  ^   | delay, probe, failed
 *      '------------failed, or doubt------------'---'
 */
export class Reachability {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #owner: ReachabilityOwner;
  #state = UNTRIED;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(deps: ReachabilityDeps, owner: ReachabilityOwner) {
    this.#clock = deps.clock;
    this.#backoff = new Backoff(deps.connectBackoff, deps.random);
    this.#owner = owner;
  }

  get isDown(): boolean {
    return this.#state === DOWN;
  }

  get isTried(): boolean {
    return this.#state !== UNTRIED;
  }

  connected(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#backoff.reset();
    this.#become(UP);
  }

  /** Several connections may fail at once: the first one starts the delay. */
  failed(): void {
    if (!this.#isClosed) this.#timer ??= this.#clock.schedule(this.#backoff.nextMs(), () => this.#probe());
    this.#become(DOWN);
  }

  /** Nothing is taken for granted any more: when nobody has tried, a probe does so now. */
  doubt(): void {
    if (this.#state !== UNTRIED) return;
    this.#state = DOWN;
    this.#probe();
  }

  /** Nobody asks any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #probe(): void {
    this.#timer = null;
    this.#owner.probe();
  }

  #become(state: number): void {
    const hasChanged = state !== this.#state;
    this.#state = state;
    if (hasChanged) this.#owner.changed();
  }
}

const UNTRIED = 0;
const UP = 1;
const DOWN = 2;
