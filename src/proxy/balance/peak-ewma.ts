/**
 * How slow one endpoint looks: an average round trip that jumps up at once and forgets slowly.
 * P2C compares `read(now) * (inFlight + 1)`. All instants are monotonic milliseconds.
 */
export class PeakEwma {
  #rttMs: number;
  #seenAtMs: number;
  readonly #decayMs: number; // after this long, 1/e (37 %) of an old peak is left

  constructor(initialRttMs: number, decayMs: number, nowMs: number) {
    this.#rttMs = initialRttMs;
    this.#seenAtMs = nowMs;
    this.#decayMs = decayMs;
  }

  /** The estimate as it has faded by `nowMs`. Reading changes nothing, so idle endpoints win back trust. */
  read(nowMs: number): number {
    return this.#rttMs * this.#keptAt(nowMs);
  }

  /** Takes one measured round trip. Worse than the estimate: believe it now. Better: blend it in. */
  observe(rttMs: number, nowMs: number): void {
    const kept = this.#keptAt(nowMs);
    const faded = this.#rttMs * kept;
    this.#rttMs = rttMs > faded ? rttMs : faded + rttMs * (1 - kept);
    this.#seenAtMs = nowMs;
  }

  // fraction of the old estimate still believed, 0..1
  #keptAt(nowMs: number): number {
    return Math.exp(-Math.max(0, nowMs - this.#seenAtMs) / this.#decayMs);
  }
}
