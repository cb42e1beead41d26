import type { Transport, TransportHandler } from "#net/transport";

/**
 * A connection whose other end is the test: `feed` what the peer sends, read what was sent to it in `sent`.
 * `room` bounds what `write` takes before it is full; `makeRoom` is the peer reading.
 */
export class ScriptedTransport implements Transport {
  handler: TransportHandler = NOBODY;
  /** What was written and not yet taken by the test. */
  sent = "";
  writeCount = 0;
  /** How it ended from our side: FIN, close or RST; empty while open. */
  ending: "" | "fin" | "close" | "reset" = "";
  isPaused = false;
  room = Number.POSITIVE_INFINITY;
  #arriving: Uint8Array[] = [];
  #hasArrivingEnd = false;
  #isClosed = false;

  /** The peer sends text, one byte per character. Waits while paused. */
  feed(text: string): void {
    this.#arriving.push(Buffer.from(text, "latin1"));
    this.#deliver();
  }

  /** The peer sends FIN behind what it sent. */
  feedEnd(): void {
    this.#hasArrivingEnd = true;
    this.#deliver();
  }

  /** The connection ends; `cause` as `closed` gets it. */
  breakOff(cause: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.handler.closed(cause);
  }

  /** The peer reads: room for `count` more bytes. */
  makeRoom(count: number): void {
    this.room += count;
    this.handler.drain();
  }

  /** What was sent since the last call. */
  take(): string {
    const { sent } = this;
    this.sent = "";
    return sent;
  }

  write(bytes: Uint8Array, from: number, to: number): number {
    if (this.#isClosed || this.ending !== "") return -1;
    this.writeCount++;
    const count = Math.min(to - from, this.room);
    this.room -= count;
    this.sent += Buffer.from(bytes.subarray(from, from + count)).toString("latin1");
    return count;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.#deliver();
  }

  shutdown(): void {
    if (this.ending === "") this.ending = "fin";
  }

  close(): void {
    if (this.#isClosed) return;
    this.ending = "close";
    this.breakOff(undefined);
  }

  terminate(): void {
    if (this.#isClosed) return;
    this.ending = "reset";
    this.breakOff(undefined);
  }

  #deliver(): void {
    while (!this.isPaused && !this.#isClosed && this.#arriving.length > 0) this.handler.data(this.#arriving.shift()!);
    if (this.isPaused || this.#isClosed || !this.#hasArrivingEnd || this.#arriving.length > 0) return;
    this.#hasArrivingEnd = false;
    this.handler.end();
  }
}

const NOBODY: TransportHandler = { data() {}, drain() {}, end() {}, closed() {} };
