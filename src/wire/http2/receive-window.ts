import { DEFAULT_WINDOW_BYTES } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";

/**
 * What the peer may still send on one connection (RFC 9113 §6.9), and what was read but not yet given back. Credit goes
 * back in quarters of the window, so that a WINDOW_UPDATE is rare beside DATA.
 */
export class ReceiveWindow {
  readonly #windowBytes: number;
  #leftBytes: number;
  #unreturnedBytes = 0;

  constructor(windowBytes: number) {
    this.#windowBytes = windowBytes;
    this.#leftBytes = Math.max(windowBytes, DEFAULT_WINDOW_BYTES);
  }

  /** What our first WINDOW_UPDATE adds to the protocol's default. */
  get firstIncrement(): number {
    return this.#leftBytes - DEFAULT_WINDOW_BYTES;
  }

  /** The peer sent `bytes`. False when they were more than it may. */
  take(bytes: number): boolean {
    this.#leftBytes -= bytes;
    return this.#leftBytes >= 0;
  }

  /** Someone took `bytes`. The increment to announce now, or 0 while it does not pay. */
  giveBack(bytes: number): number {
    this.#unreturnedBytes += bytes;
    if (this.#unreturnedBytes * 4 < this.#windowBytes) return 0;
    const increment = this.#unreturnedBytes;
    this.#leftBytes += increment;
    this.#unreturnedBytes = 0;
    return increment;
  }
}

/**
 * As `giveBack`, for one stream, in halves. The window grows to its full size the first time that its reader has kept up
 * with it: a stream that nobody reads pins only the small first one.
 */
export function giveBackToStream(stream: Http2Stream, bytes: number, fullBytes: number): number {
  stream.unreturned += bytes;
  if (stream.unreturned * 2 < stream.windowTarget) return 0;
  const full = Math.max(fullBytes, stream.windowTarget);
  const increment = stream.unreturned + (full - stream.windowTarget);
  stream.windowTarget = full;
  stream.unreturned = 0;
  stream.receiveWindow += increment;
  return increment;
}
