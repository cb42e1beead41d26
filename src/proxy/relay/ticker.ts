import type { Clock, Timer } from "#lib/clock";

/** A connection that checks its time limits now and then. */
export interface Ticking {
  tick(nowMs: number): void;
}

/**
 * One coarse timer for the time limits of all connections: each is asked about once a second. Many are asked in batches that
 * are spread over the second, so that no request waits for all of them. Runs only while there are any.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #all = new Set<Ticking>();
  #timer: Timer | null = null;
  #round: Iterator<Ticking, undefined> | null = null; // a set's iterator keeps what was deleted since, too
  #leftCount = 0; // of those whom this round has to ask

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(one: Ticking): void {
    this.#all.add(one);
    this.#schedule();
  }

  remove(one: Ticking): void {
    this.#all.delete(one);
    if (this.#all.size === 0) this.#endRound();
  }

  #schedule(): void {
    const batches = Math.max(1, Math.ceil(this.#all.size / BATCH));
    this.#timer ??= this.#clock.schedule(TICK_MS / batches, () => {
      this.#timer = null;
      if (this.#all.size > 0) this.#askSome();
    });
  }

  #askSome(): void {
    this.#schedule(); // first: a tick that throws, our own mistake, must not stop the time of all others
    if (!this.#round) {
      this.#round = this.#all.values();
      this.#leftCount = this.#all.size;
    }
    const nowMs = this.#clock.monotonicMs();
    for (let count = Math.min(BATCH, this.#leftCount); count > 0 && this.#round; count--) {
      const next = this.#round.next();
      if (--this.#leftCount === 0 || next.done) this.#endRound();
      next.value?.tick(nowMs);
    }
  }

  #endRound(): void {
    this.#round = null;
    this.#leftCount = 0;
  }
}

const TICK_MS = 1000;
/** A few tenths of a millisecond. */
const BATCH = 64;
