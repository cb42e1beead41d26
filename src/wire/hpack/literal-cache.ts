/** The text of one literal, and whether it may stand where it stood. */
export interface CachedText {
  readonly text: string;
  /** Bytes of the text, not of its code. */
  readonly length: number;
  readonly isValid: boolean;
}

interface Slot extends CachedText {
  /** As it stood on the wire: Huffman bit, length, and the text, coded or not. */
  readonly key: Uint8Array;
}

/**
 * What literals said that peers send again and again without putting them into a table (nghttp2 does so with every `:path`):
 * found by their bytes on the wire, so that nothing is decoded, checked or made a string twice.
 *
 * Limit: 256 literals of at most 128 bytes. Only one in eight unknown ones is taken, so that paths which never come back
 * cost next to nothing. Shared by all connections: the meaning of a literal depends on nothing else.
 */
export class LiteralCache {
  readonly #slots: (Slot | null)[] = new Array(SLOTS).fill(null);
  #missCount = 0;

  /** The text at [from, to), if it is known. */
  find(bytes: Uint8Array, from: number, to: number): CachedText | null {
    const slot = this.#slots[slotOf(bytes, from, to)];
    return slot !== null && isSame(slot.key, bytes, from, to) ? slot : null;
  }

  /** Offers what an unknown literal turned out to say. */
  add(bytes: Uint8Array, from: number, to: number, text: string, isValid: boolean): void {
    if (++this.#missCount % TAKE_EVERY !== 0 || to - from > MAX_KEY_BYTES) return;
    const key = Uint8Array.prototype.slice.call(bytes, from, to);
    this.#slots[slotOf(bytes, from, to)] = { key, text, length: text.length, isValid };
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
