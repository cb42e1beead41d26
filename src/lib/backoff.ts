import type { Random } from "./random.ts";

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
  /** Share of the base delay that chance may add, 0..1. */
  readonly jitter: number;
}

/**
 * Exponential delays: min·2ⁿ capped at max, plus up to `jitter` of that, never beyond max.
 * `reset` after a success.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #tries = 0;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  nextMs(): number {
    const { minMs, maxMs, jitter } = this.#options;
    const base = Math.min(minMs * 2 ** Math.min(this.#tries, 30), maxMs);
    this.#tries++;
    return Math.min(base + this.#random.next() * jitter * base, maxMs);
  }

  reset(): void {
    this.#tries = 0;
  }
}
