/** A connection that can be asked to end. */
export interface Drainable {
  /** Finishes what is under way, then closes. */
  drain(): void;
  /** Closes now. */
  destroy(): void;
}

/** Every connection that is being served: what a shutdown waits for. */
export class Live {
  readonly #all = new Set<Drainable>();
  #isDraining = false;
  #emptied: (() => void) | null = null;

  get count(): number {
    return this.#all.size;
  }

  /** Returns what is to be called when the connection has closed. */
  add(one: Drainable): () => void {
    this.#all.add(one);
    if (this.#isDraining) one.drain();
    return () => {
      this.#all.delete(one);
      if (this.#all.size === 0) this.#emptied?.();
    };
  }

  /** Resolves when all have closed. */
  drain(): Promise<void> {
    this.#isDraining = true;
    for (const one of this.#all) one.drain();
    if (this.#all.size === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#emptied = resolve));
  }

  destroy(): void {
    for (const one of [...this.#all]) one.destroy();
  }
}
