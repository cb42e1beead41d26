/**
 * A map that forgets what nobody uses: an entry that did nothing for a whole round is only held weakly, and is gone once
 * nobody else holds it. Who keeps a value keeps its entry, so that nothing is ever counted where nobody looks.
 * Limit: the caller's; `size` counts entries that are not yet known to be gone.
 */
export class IdleMap<V extends object> {
  readonly #entries = new Map<string, Entry<V>>();

  get size(): number {
    return this.#entries.size;
  }

  /** The value, which is in use again from now on. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    entry.held ??= entry.weak?.deref();
    if (!entry.held) this.#entries.delete(key);
    return entry.held;
  }

  set(key: string, value: V): void {
    this.#entries.set(key, { held: value, weak: undefined, mark: Number.NaN });
  }

  delete(key: string): boolean {
    return this.#entries.delete(key);
  }

  /** Everything that is still there. */
  *[Symbol.iterator](): Generator<[string, V]> {
    for (const [key, entry] of this.#entries) {
      const value = entry.held ?? entry.weak?.deref();
      if (value) yield [key, value];
    }
  }

  /** Ends a round. `activity` is a number that changes whenever a value is used; undefined keeps the value for good. */
  endRound(activity: (value: V) => number | undefined): void {
    for (const [key, entry] of this.#entries) {
      const value = entry.held ?? entry.weak?.deref();
      if (!value) {
        this.#entries.delete(key);
        continue;
      }
      const mark = activity(value);
      const isIdle = mark !== undefined && mark === entry.mark;
      if (!isIdle) entry.held = value;
      else if (entry.held) {
        entry.weak ??= new WeakRef(value);
        entry.held = undefined;
      }
      entry.mark = mark ?? Number.NaN;
    }
  }
}

interface Entry<V extends object> {
  held: V | undefined;
  weak: WeakRef<V> | undefined;
  mark: number;
}
