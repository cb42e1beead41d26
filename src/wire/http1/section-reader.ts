import { copyBytes } from "#output";
/**
 * Feeds a scanner with chunks. A section (a head, trailers) that lies within one chunk is read where it is; one that
 * is cut is gathered into a buffer of its own, each byte copied and scanned once.
 */
export class SectionReader {
  /** Where the finished section's offsets point. Valid until the next `read`. */
  bytes: Uint8Array = EMPTY;
  readonly #maxBytes: number;
  readonly #tooLarge: number;
  #gathered: Uint8Array = EMPTY;
  #gatheredCount = 0;

  /** `tooLarge` is the code to answer beyond `maxBytes`. */
  constructor(maxBytes: number, tooLarge: number) {
    this.#maxBytes = maxBytes;
    this.#tooLarge = tooLarge;
  }

  /** True while part of a section is gathered. */
  get isCut(): boolean {
    return this.#gatheredCount > 0;
  }

  /** Reads on at `at`; the scanner has begun. Returns the position behind what was used, or a code. */
  read(scanner: Scanner, chunk: Uint8Array, at: number): number {
    if (this.#gatheredCount > 0) return this.#readGathered(scanner, chunk, at);
    const to = Math.min(chunk.length, at + this.#maxBytes);
    const stopped = scanner.scan(chunk, at, to);
    if (stopped < 0) return stopped;
    if (scanner.isDone) {
      this.bytes = chunk;
      return stopped;
    }
    if (to - at >= this.#maxBytes) return this.#tooLarge;
    this.#gather(chunk, at, to);
    scanner.rebase(-at);
    return to;
  }

  /** Lets go of the finished section's bytes. */
  release(): void {
    this.bytes = EMPTY;
  }

  #readGathered(scanner: Scanner, chunk: Uint8Array, at: number): number {
    const before = this.#gatheredCount;
    this.#gather(chunk, at, Math.min(chunk.length, at + this.#maxBytes - before));
    const stopped = scanner.scan(this.#gathered, before, this.#gatheredCount);
    if (stopped < 0) return stopped;
    if (scanner.isDone) {
      this.bytes = this.#gathered;
      this.#gathered = EMPTY;
      this.#gatheredCount = 0;
      return at + stopped - before;
    }
    if (this.#gatheredCount >= this.#maxBytes) return this.#tooLarge;
    return chunk.length;
  }

  #gather(chunk: Uint8Array, from: number, to: number): void {
    const count = this.#gatheredCount + to - from;
    if (count > this.#gathered.length) {
      const wider = new Uint8Array(Math.max(count, this.#gathered.length * 2, FIRST_BYTES));
      copyBytes(this.#gathered, 0, this.#gatheredCount, wider, 0);
      this.#gathered = wider;
    }
    copyBytes(chunk, from, to, this.#gathered, this.#gatheredCount);
    this.#gatheredCount = count;
  }
}

/** Reads bytes into offsets and can be left anywhere. */
export interface Scanner {
  readonly isDone: boolean;
  scan(bytes: Uint8Array, at: number, to: number): number;
  rebase(by: number): void;
}

const EMPTY = new Uint8Array(0);
const FIRST_BYTES = 512;
