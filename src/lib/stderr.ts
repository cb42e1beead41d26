/**
 * Writes text to standard error, and goes on when nobody reads it. Limit: what a slow reader leaves waits in memory up to
 * `MAX_WAITING_CHARS`; text beyond is lost, and once the reader is back it is told how many times.
 * Not by `process.stderr`, which loads the runtime's streams: 1.5 MB and 11 ms in every proxy.
 */
export class StderrWriter {
  readonly #sink = Bun.stderr.writer();
  #waitingChars = 0;
  #lostCount = 0;
  #drained: Promise<void> = Promise.resolve();

  write(text: string): void {
    if (this.#waitingChars >= MAX_WAITING_CHARS) {
      this.#lostCount++;
      return;
    }
    if (this.#lostCount > 0) {
      text = `${this.#lostCount} messages were lost here: nobody read them in time\n${text}`;
      this.#lostCount = 0;
    }
    try {
      const written: unknown = this.#sink.write(text);
      if (written instanceof Promise) written.catch(() => {}); // `flush` says the same
      const flushed: unknown = this.#sink.flush(); // a number; `true` once the reader has gone
      if (flushed instanceof Promise) this.#wait(text.length, flushed);
    } catch {} // the reader has gone
  }

  /** Resolves when nothing waits any more, or after `limitMs`: of a reader that has gone, Bun's sink may say nothing. */
  async drained(limitMs: number): Promise<void> {
    const limit = Bun.sleep(limitMs).then(() => "late" as const);
    while (this.#waitingChars > 0) if ((await Promise.race([this.#drained, limit])) === "late") return;
  }

  /** Each flush is for all that waits; only the last one is sure to be answered. */
  #wait(chars: number, flushed: Promise<unknown>): void {
    this.#waitingChars += chars;
    const done = (): void => {
      if (this.#drained === drained) this.#waitingChars = 0;
    };
    const drained = flushed.then(done, done);
    this.#drained = drained;
  }
}

const MAX_WAITING_CHARS = 1024 * 1024;
