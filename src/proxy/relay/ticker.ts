import type { Clock, Timer } from "#lib/clock";

/** A connection that checks its time limits now and then. */
export interface Ticking {
  tick(nowMs: number): void;
}

/** One coarse timer for the time limits of all connections. Runs only while there are any. */
export class Ticker {
  readonly #clock: Clock;
  readonly #all = new Set<Ticking>();
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(one: Ticking): void {
    this.#all.add(one);
    this.#schedule();
  }

  remove(one: Ticking): void {
    this.#all.delete(one);
  }

  #schedule(): void {
    this.#timer ??= this.#clock.schedule(TICK_MS, () => {
      this.#timer = null;
      if (this.#all.size === 0) return;
      this.#schedule(); // first: a tick that throws, our own mistake, must not stop the time of all others
      const nowMs = this.#clock.monotonicMs();
      for (const one of this.#all) one.tick(nowMs);
    });
  }
}

const TICK_MS = 1000;
