import { Backoff, type BackoffOptions } from "#lib/backoff";
import type { Random } from "#lib/random";

/** When one endpoint is taken out of the choice for failing, and when it is tried again. */
export interface Breaker {
  /** It tripped, and no probe has succeeded yet. */
  readonly isEjected: boolean;
  /** May a request be sent now? In recovery one probe passes at a time. */
  isOpen(nowMs: number): boolean;
  /** Milliseconds until `isOpen` is true by time alone; 0 when it is, or when only a request's end can change it. */
  waitMs(nowMs: number): number;
  /** A request was sent. */
  started(nowMs: number): void;
  succeeded(): void;
  failed(nowMs: number): void;
  /** A request ended for reasons of its client's: a probe that does so says nothing, and another may pass. */
  abandoned(): void;
}

/** Never trips. */
export const NO_BREAKER: Breaker = {
  isEjected: false,
  isOpen: () => true,
  waitMs: () => 0,
  started() {},
  succeeded() {},
  failed() {},
  abandoned() {},
};

/**
 * Trips after `maxFailures` failures in a row; after a backoff one probe is let through, whose success closes the case
 * and whose failure waits longer.
 *
 *   closed --maxFailures--> waiting --backoff--> open to one --sent--> probing --success--> closed
 *                              ^                      ^---abandoned------'  |
 *                              '----------------------------------failure--'
 */
export class ConsecutiveFailures implements Breaker {
  readonly #maxFailures: number;
  readonly #backoff: Backoff;
  #failures = 0;
  #waitUntilMs = -1; // -1: closed
  #isProbing = false;

  constructor(maxFailures: number, backoff: BackoffOptions, random: Random) {
    this.#maxFailures = maxFailures;
    this.#backoff = new Backoff(backoff, random);
  }

  get isEjected(): boolean {
    return this.#waitUntilMs >= 0;
  }

  isOpen(nowMs: number): boolean {
    return this.#waitUntilMs < 0 || (!this.#isProbing && nowMs >= this.#waitUntilMs);
  }

  waitMs(nowMs: number): number {
    return Math.max(0, this.#waitUntilMs - nowMs);
  }

  started(nowMs: number): void {
    if (this.#waitUntilMs >= 0 && nowMs >= this.#waitUntilMs) this.#isProbing = true;
  }

  succeeded(): void {
    this.#failures = 0;
    if (this.#waitUntilMs < 0 || !this.#isProbing) return;
    this.#waitUntilMs = -1;
    this.#isProbing = false;
    this.#backoff.reset();
  }

  failed(nowMs: number): void {
    this.#failures++;
    if (this.#waitUntilMs >= 0 && !this.#isProbing) return; // an old request ending late says nothing new
    if (this.#waitUntilMs < 0 && (this.#maxFailures === 0 || this.#failures < this.#maxFailures)) return;
    this.#isProbing = false;
    this.#waitUntilMs = nowMs + this.#backoff.nextMs();
  }

  abandoned(): void {
    this.#isProbing = false;
  }
}
