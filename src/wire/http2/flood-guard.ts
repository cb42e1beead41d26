import { Budget, CHEAP_FRAMES, RESETS } from "./budget.ts";

/** The two budgets of one connection. A false answer is a connection error, ENHANCE_YOUR_CALM. */
export class FloodGuard {
  readonly #isServer: boolean;
  readonly #cheapFrames: Budget;
  readonly #resets: Budget;

  constructor(isServer: boolean, nowMs: () => number) {
    this.#isServer = isServer;
    this.#cheapFrames = new Budget(CHEAP_FRAMES, nowMs);
    this.#resets = new Budget(RESETS, nowMs);
  }

  /** A frame came that carries nothing. */
  cheapFrame(cost: number): boolean {
    return this.#cheapFrames.spend(cost);
  }

  /** A stream ended before its time. A server that resets our streams harms only itself. */
  reset(cost: number): boolean {
    return !this.#isServer || this.#resets.spend(cost);
  }

  /** We sent a DATA frame, which its receiver may answer. */
  dataSent(): void {
    this.#cheapFrames.earn(DATA_EARNS);
  }

  streamCompleted(): void {
    this.#resets.earn(1);
  }
}

/** A receiver may answer each DATA frame with two window updates and a bandwidth probe (PING), and acknowledge ours. */
const DATA_EARNS = 4;
