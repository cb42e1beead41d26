/** One line that changes on a terminal; whole lines elsewhere. All of it on standard error. */
export class Progress {
  readonly #isTerminal = process.stderr.isTTY === true && process.env.TERM !== "dumb";
  readonly #startedAtMs = performance.now();
  #last = "";
  #isDone = false;

  /** What is being done now. */
  step(text: string): void {
    if (this.#isDone || text === this.#last) return;
    this.#last = text;
    const line = `${this.#seconds()} ${text}`;
    process.stderr.write(this.#isTerminal ? `\r\x1b[K${line}` : `${line}\n`);
  }

  /** More of the same step; shown only where it can be wiped out again. */
  detail(text: string): void {
    if (this.#isTerminal && !this.#isDone)
      process.stderr.write(
        `\r\x1b[K${this.#seconds()} ${this.#last}: ${text}`.slice(0, (process.stderr.columns || 80) + 4),
      );
  }

  /** Wipes the line out. What is said afterwards is not shown: what was going on may still end while the demo does. */
  done(): void {
    this.#isDone = true;
    if (this.#isTerminal) process.stderr.write("\r\x1b[K");
  }

  elapsedMs(): number {
    return Math.round(performance.now() - this.#startedAtMs);
  }

  #seconds(): string {
    return `[${((performance.now() - this.#startedAtMs) / 1_000).toFixed(1).padStart(5)} s]`;
  }
}
