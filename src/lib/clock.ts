/**
 * Time as an argument. Everything that waits or measures takes a `Clock`, so that tests own the hour.
 * `monotonicMs` never jumps; `wallMs` is what certificates and logs speak of.
 */
export interface Clock {
  /** Milliseconds since an arbitrary start, never backwards. */
  monotonicMs(): number;
  /** Milliseconds since 1970 (may jump when the machine's time is set). */
  wallMs(): number;
  /** Calls `run` once, `afterMs` from now; the returned timer can be cancelled. */
  schedule(afterMs: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** The machine's own clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  schedule(afterMs, run) {
    const timer = setTimeout(run, Math.min(afterMs, MAX_TIMEOUT_MS));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

const MAX_TIMEOUT_MS = 2 ** 31 - 1; // setTimeout fires at once beyond this

/** A clock that moves only when told to. Timers run in order of their instants, then of their making. */
export class FakeClock implements Clock {
  #nowMs: number;
  #timers: { atMs: number; run: () => void }[] = [];

  constructor(nowMs = 0) {
    this.#nowMs = nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  schedule(afterMs: number, run: () => void): Timer {
    const timer = { atMs: this.#nowMs + afterMs, run };
    this.#timers.push(timer);
    return { cancel: () => this.#drop(timer) };
  }

  /** Moves time forward, running every timer that falls due on the way. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!due) break;
      this.#drop(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
    }
    this.#nowMs = untilMs;
  }

  #drop(timer: { atMs: number; run: () => void }): void {
    this.#timers = this.#timers.filter((other) => other !== timer);
  }
}
