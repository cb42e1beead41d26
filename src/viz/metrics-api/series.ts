/**
 * One time series. What it keeps is not the counter but its rise: the sum of all its increases since it was first seen.
 * A reset is then settled as it is read, and the increase of a window is one subtraction.
 *
 * Points of rises stand in a ring of fixed length, filed under the target's own points in time (`Target`). Most series
 * of a mesh are quiet; they get a ring when they first change.
 */
export class Series {
  /** The value as last read. */
  last: number;
  seenAtMs: number;
  /** The sum of increases until now. */
  rise: number;
  readonly #bornRise: number;
  readonly #bornPoint: number; // the first of the target's points at which it was there
  #rises: Float64Array | undefined;

  /** `isBornWatched`: it grew from zero before our eyes, so its first value is an increase. */
  constructor(value: number, nowMs: number, bornPoint: number, isBornWatched: boolean) {
    this.last = value;
    this.seenAtMs = nowMs;
    this.rise = isBornWatched && Number.isFinite(value) ? value : 0;
    this.#bornRise = this.rise;
    this.#bornPoint = bornPoint;
    this.#rises = undefined;
  }

  /** Takes a reading. A value below the last one is a counter that began anew, and counts whole. */
  take(value: number, nowMs: number): void {
    const rise = value >= this.last ? value - this.last : value;
    if (rise !== 0 && Number.isFinite(rise)) this.rise += rise; // of gauges that are not numbers nothing is summed
    this.last = value;
    this.seenAtMs = nowMs;
  }

  /** Files the rise under the target's newest point, of which `ringLength` are kept. */
  mark(point: number, ringLength: number): void {
    if (this.#rises === undefined) {
      if (this.rise === this.#bornRise) return;
      this.#rises = new Float64Array(ringLength);
      const from = Math.max(this.#bornPoint, point - ringLength + 1);
      for (let at = from; at < point; at++) this.#rises[at % ringLength] = this.#bornRise;
    }
    this.#rises[point % ringLength] = this.rise;
  }

  /** The rise as it was at one of the points that are kept; 0 before the first. */
  riseAt(point: number): number {
    if (point < this.#bornPoint) return 0;
    return this.#rises === undefined ? this.#bornRise : this.#rises[point % this.#rises.length];
  }
}
