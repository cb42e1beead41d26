/**
 * Finds again what somebody still holds, by key. Holds nothing itself: what is lost with a value can be made anew.
 * Limit: the caller's; `size` counts entries that are not yet known to be gone.
 */
export class WeakCache<V extends object> {
  readonly #entries = new Map<string, WeakRef<V>>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)?.deref();
  }

  set(key: string, value: V): void {
    this.#entries.set(key, new WeakRef(value));
  }

  /** Drops the entries of what is gone. To be called now and then. */
  sweep(): void {
    for (const [key, entry] of this.#entries) if (!entry.deref()) this.#entries.delete(key);
  }
}
