/** Limits how much load retries may add to a service: a share of its requests, and some per second beside. */
export interface BudgetOptions {
  /** Retries per ordinary request, 0 to 1000. */
  readonly ratio: number;
  readonly minRetriesPerSecond: number;
  /** How long an ordinary request counts, 1 s to 60 s. */
  readonly ttlMs: number;
}

const SLOT_COUNT = 10;

/** Deposits by requests, withdrawals by retries, over a window of ten slots. */
export class RetryBudget {
  readonly #deposit: number;
  readonly #withdraw: number;
  readonly #reserve: number;
  readonly #slotMs: number;
  readonly #slots = new Float64Array(SLOT_COUNT);
  #slotIndex = 0;
  #slotSinceMs: number;

  constructor({ ratio, minRetriesPerSecond, ttlMs }: BudgetOptions, nowMs: number) {
    // Whole tokens: a request pays for `floor(1/ratio)`th of a retry, or for several.
    const scale = ratio > 1 ? 1000 : 1;
    this.#deposit = ratio === 0 ? 0 : scale;
    this.#withdraw = ratio === 0 ? 1 : Math.max(1, Math.floor(scale / ratio));
    this.#reserve = (minRetriesPerSecond * ttlMs * this.#withdraw) / 1000;
    this.#slotMs = ttlMs / SLOT_COUNT;
    this.#slotSinceMs = nowMs;
  }

  /** Undefined when the options are outside what Linkerd allows. */
  static make(options: BudgetOptions, nowMs: number): RetryBudget | undefined {
    const isValid = options.ratio >= 0 && options.ratio <= 1000 && options.ttlMs >= 1000 && options.ttlMs <= 60_000;
    return isValid ? new RetryBudget(options, nowMs) : undefined;
  }

  /** A request that is not to be retried has ended. */
  deposit(nowMs: number): void {
    this.#advance(nowMs);
    this.#slots[this.#slotIndex] += this.#deposit;
  }

  /** Takes one retry out; false when there is none left. */
  withdraw(nowMs: number): boolean {
    this.#advance(nowMs);
    let balance = this.#reserve;
    for (const slot of this.#slots) balance += slot;
    if (balance < this.#withdraw) return false;
    this.#slots[this.#slotIndex] -= this.#withdraw;
    return true;
  }

  #advance(nowMs: number): void {
    const passed = Math.floor((nowMs - this.#slotSinceMs) / this.#slotMs);
    if (passed <= 0) return;
    for (let i = 0; i < Math.min(passed, SLOT_COUNT); i++) {
      this.#slotIndex = (this.#slotIndex + 1) % SLOT_COUNT;
      this.#slots[this.#slotIndex] = 0;
    }
    this.#slotSinceMs += passed * this.#slotMs;
  }
}
