/**
 * How much nuisance one peer is allowed: a bucket of tokens that time and useful work refill. Floods of cheap frames
 * and resets are not wrong one by one; only their rate is.
 */
export class Budget {
  readonly #most: number;
  readonly #perMs: number;
  readonly #nowMs: () => number;
  #left: number;
  #refilledAtMs: number;

  constructor(limit: BudgetLimit, nowMs: () => number) {
    this.#most = limit.burst;
    this.#perMs = limit.perSecond / 1000;
    this.#nowMs = nowMs;
    this.#left = limit.burst;
    this.#refilledAtMs = nowMs();
  }

  get left(): number {
    return this.#left;
  }

  /** Takes `tokens`. False when they are not there: the peer has gone too far. */
  spend(tokens: number): boolean {
    this.#left -= tokens;
    if (this.#left >= 0) return true;
    const now = this.#nowMs();
    this.#left = Math.min(this.#most, this.#left + (now - this.#refilledAtMs) * this.#perMs);
    this.#refilledAtMs = now;
    return this.#left >= 0;
  }

  /** Useful work gives back. */
  earn(tokens: number): void {
    this.#left = Math.min(this.#most, this.#left + tokens);
  }
}

export interface BudgetLimit {
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * Frames that cost us and carry nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and CONTINUATION, unknown
 * types (CVE-2019-9511, -9512, -9513, -9515, -9518). Each DATA frame we send earns some back: its receiver may answer it
 * with window updates and probes. 1000 at once and 500 a second is far above keep-alive and bandwidth probes (about 100 a second).
 */
export const CHEAP_FRAMES: BudgetLimit = { burst: 1000, perSecond: 500 };
/** One SETTINGS frame may change every stream's window. */
export const SETTINGS_COST = 20;
/**
 * Streams reset before their time, by the peer (CVE-2023-44487, rapid reset) or by us because of what it sent
 * (CVE-2019-9514, CVE-2025-8671, made-you-reset). Each stream that completes earns one, so only a peer that cancels most
 * of what it asks for, at more than 200 a second, is cut off.
 */
export const RESETS: BudgetLimit = { burst: 400, perSecond: 200 };
