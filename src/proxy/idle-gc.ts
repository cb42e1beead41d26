import type { Clock, Timer } from "#lib/clock";

/**
 * Gives memory back when a burst is over: a collector that has no work does not run, and what a burst left behind would
 * stay. Looks at the processor time of the last interval; after a busy one that is followed by a quiet one it collects once.
 */
export class IdleGc {
  readonly #clock: Clock;
  #timer: Timer | null = null;
  #lastCpuMs = 0;
  #wasBusy = true; // starting up is busy

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  start(): void {
    this.#timer = this.#clock.schedule(INTERVAL_MS, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const { user, system } = process.cpuUsage();
    const usedMs = (user + system) / 1000 - this.#lastCpuMs;
    this.#lastCpuMs += usedMs;
    const isBusy = usedMs > QUIET_SHARE * INTERVAL_MS;
    if (!isBusy && this.#wasBusy) Bun.gc(true);
    this.#wasBusy = isBusy;
  }
}

const INTERVAL_MS = 5_000;
/** A full collection of this heap takes 10 ms or so; at this load nobody waits for it. */
const QUIET_SHARE = 0.02;
