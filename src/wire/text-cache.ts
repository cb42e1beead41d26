import { latin1 } from "./latin1.ts";

/** What some bytes say, and whether they may stand where they stood. */
export interface CachedText {
  readonly text: string;
  readonly isValid: boolean;
}

interface Slot extends CachedText {
  readonly key: Uint8Array;
}

/**
 * Texts that peers send again and again, found by their bytes on the wire: hosts, and paths, which nghttp2 for one never
 * puts into a table. So nothing is decoded, checked or made a string twice, and look-ups by a text find its hash made.
 *
 * Limit: 256 texts of at most 128 bytes. Only one in eight unknown ones is taken, so that paths which never come back
 * cost next to nothing. May be shared by connections: what bytes say depends on nothing else.
 */
export class TextCache {
  readonly #slots: (Slot | null)[] = new Array(SLOTS).fill(null);
  #missCount = 0;

  /** The bytes [from, to) as text, one character each. */
  latin1(bytes: Uint8Array, from: number, to: number): string {
    const known = this.find(bytes, from, to);
    if (known !== null) return known.text;
    const text = latin1(bytes, from, to);
    this.add(bytes, from, to, text, true);
    return text;
  }

  /** What [from, to) says, if it is known. */
  find(bytes: Uint8Array, from: number, to: number): CachedText | null {
    const slot = this.#slots[slotOf(bytes, from, to)];
    return slot !== null && isSame(slot.key, bytes, from, to) ? slot : null;
  }

  /** Offers what unknown bytes turned out to say. */
  add(bytes: Uint8Array, from: number, to: number, text: string, isValid: boolean): void {
    if (++this.#missCount % TAKE_EVERY !== 0 || to - from > MAX_KEY_BYTES) return;
    const key = Uint8Array.prototype.slice.call(bytes, from, to);
    this.#slots[slotOf(bytes, from, to)] = { key, text, isValid };
  }
}

const SLOTS = 256;
const MAX_KEY_BYTES = 128;
const TAKE_EVERY = 8;

/** Neighbours differ at the end, and in length. */
function slotOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  for (let at = Math.max(from, to - HASHED_BYTES); at < to; at++) hash = (hash * 31 + bytes[at]) | 0;
  return (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (SLOTS - 1);
}

const HASHED_BYTES = 8;

function isSame(key: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (key.length !== to - from) return false;
  for (let at = 0; at < key.length; at++) if (key[at] !== bytes[from + at]) return false;
  return true;
}
