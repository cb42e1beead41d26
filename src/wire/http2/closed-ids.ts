/**
 * The last ids of streams that ended in some way, in a ring: frames that were under way when a stream ended are told
 * apart from frames on streams that never were. Limit: the ring's size; older ids are forgotten.
 */
export class ClosedIds {
  readonly #size: number;
  #ring: Int32Array | null = null;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(id: number): void {
    this.#ring ??= new Int32Array(this.#size);
    this.#ring[this.#next] = id;
    this.#next = (this.#next + 1) % this.#size;
  }

  has(id: number): boolean {
    return this.#ring !== null && this.#ring.indexOf(id) >= 0;
  }
}
