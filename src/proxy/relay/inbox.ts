import type { Transport } from "#net/transport";

/** What reads chunks and may be held anywhere: the HTTP/1 readers. */
export interface HeldReader {
  /** Position behind what was used, or a negative code. */
  read(chunk: Uint8Array, at: number): number;
}

/**
 * The reading half of one connection whose reader can be held: keeps what was not used and pauses the transport only when
 * bytes come while the reader is held (most requests never pause: two system calls saved).
 * Limit: one read (512 KiB) that came while held; what a transport still hands over when its peer resets is added to it.
 */
export class Inbox {
  readonly #transport: Transport;
  #chunk: Uint8Array = EMPTY;
  #at = 0;
  #isPaused = false;
  #isReading = false;
  #isAgain = false;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Nothing unread is left. */
  get isEmpty(): boolean {
    return this.#at === this.#chunk.length;
  }

  /** True while the reader is at work: what it has used is not yet counted. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /** Takes a chunk; `pump` must follow. */
  add(chunk: Uint8Array): void {
    this.#chunk = this.isEmpty ? chunk : Buffer.concat([this.#chunk.subarray(this.#at), chunk]);
    this.#at = 0;
  }

  /**
   * Lets the reader go as far as it may. Returns 0 or its code. When called from within the reader's own calls, it only
   * asks for another round.
   */
  pump(reader: HeldReader): number {
    this.#isAgain = true;
    if (this.#isReading) return 0;
    this.#isReading = true;
    let stopped = 0;
    while (this.#isAgain) {
      this.#isAgain = false;
      const chunk = this.#chunk;
      stopped = reader.read(chunk, this.#at);
      if (stopped < 0 || this.#chunk !== chunk) break; // refused, or discarded by one who was called
      this.#at = stopped;
    }
    this.#isReading = false;
    if (stopped >= 0) this.#pauseOrResume();
    return Math.min(0, stopped);
  }

  /** Forgets what is unread and lets the transport flow, for what comes is no longer wanted. */
  discard(): void {
    this.#release();
    if (this.#isPaused) this.#resume();
  }

  #pauseOrResume(): void {
    if (this.isEmpty) {
      this.#release();
      if (this.#isPaused) this.#resume();
    } else if (!this.#isPaused) {
      this.#isPaused = true;
      this.#transport.pause();
    }
  }

  #resume(): void {
    this.#isPaused = false;
    this.#transport.resume();
  }

  #release(): void {
    this.#chunk = EMPTY;
    this.#at = 0;
  }
}

const EMPTY = new Uint8Array(0);
