/** What an `IdleMap` holds. */
export interface Idling {
  /** The map's own note: what it saw of the value at the end of its last round. NaN at first. */
  idleMark: number;
}

/**
 * A map that forgets what nobody uses: a value that did nothing for a whole round is only held weakly, and is gone once
 * nobody else holds it. Who keeps a value keeps its entry, so that nothing is ever counted where nobody looks.
 * Limit: the caller's; `size` counts entries that are not yet known to be gone.
 */
export class IdleMap<V extends Idling> {
  readonly #entries = new Map<string, V | WeakRef<V>>();
  readonly #onGone: (key: string) => void;

  /** `onGone` hears of every entry that is no more, deleted ones too. */
  constructor(onGone: (key: string) => void = () => {}) {
    this.#onGone = onGone;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, which is in use again from now on. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (!(entry instanceof WeakRef)) return entry;
    const value = entry.deref();
    if (value) this.#entries.set(key, value);
    else this.delete(key);
    return value;
  }

  /** For a key that has no value. */
  set(key: string, value: V): void {
    this.#entries.set(key, value);
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#onGone(key);
  }

  /** Everything that is still there. */
  *[Symbol.iterator](): Generator<[string, V]> {
    for (const [key, entry] of this.#entries) {
      const value = derefed(entry);
      if (value) yield [key, value];
    }
  }

  /** Ends a round. `activity` is a number that changes whenever a value is used; undefined keeps the value for good. */
  endRound(activity: (value: V) => number | undefined): void {
    for (const [key, entry] of this.#entries) {
      const value = derefed(entry);
      if (!value) {
        this.delete(key);
        continue;
      }
      const mark = activity(value) ?? Number.NaN;
      const isHeld = entry === value;
      if (mark !== value.idleMark) {
        if (!isHeld) this.#entries.set(key, value);
      } else if (isHeld) this.#entries.set(key, new WeakRef(value));
      value.idleMark = mark;
    }
  }
}

function derefed<V extends Idling>(entry: V | WeakRef<V>): V | undefined {
  return entry instanceof WeakRef ? entry.deref() : entry;
}
