import type { Entry } from "./entry.ts";

/** RFC 7541 §4: the newest entry first, evicted from the other end to stay within `capacityBytes`. A ring that grows by doubling. */
export class DynamicTable {
  #ring: (Entry | null)[] = new Array(16).fill(null);
  #newest = -1; // slot of the newest entry
  count = 0;
  sizeBytes = 0;
  capacityBytes: number;

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
  }

  /** The entry at `position`, 0 being the newest; undefined when there are not so many. */
  at(position: number): Entry | undefined {
    if (position >= this.count) return undefined;
    return this.#ring[(this.#newest - position) & (this.#ring.length - 1)]!;
  }

  /** RFC 7541 §4.4: makes room first; an entry larger than the table empties it and is not kept. True when kept. */
  add(entry: Entry): boolean {
    while (this.count > 0 && this.sizeBytes + entry.size > this.capacityBytes) this.evict();
    if (entry.size > this.capacityBytes) return false;
    if (this.count === this.#ring.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = entry;
    this.count++;
    this.sizeBytes += entry.size;
    return true;
  }

  /** Drops the oldest entry and returns it. The table is not empty. */
  evict(): Entry {
    const slot = (this.#newest - this.count + 1) & (this.#ring.length - 1);
    const entry = this.#ring[slot]!;
    this.#ring[slot] = null;
    this.count--;
    this.sizeBytes -= entry.size;
    return entry;
  }

  resize(capacityBytes: number): void {
    this.capacityBytes = capacityBytes;
    while (this.sizeBytes > capacityBytes) this.evict();
  }

  /** Empties the table, as an entry larger than all of it does. */
  clear(): void {
    while (this.count > 0) this.evict();
  }

  #grow(): void {
    const wider: (Entry | null)[] = new Array(this.#ring.length * 2).fill(null);
    for (let position = 0; position < this.count; position++) wider[this.count - 1 - position] = this.at(position)!;
    this.#ring = wider;
    this.#newest = this.count - 1;
  }
}
