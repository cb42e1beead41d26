import { latin1 } from "#latin1";
import { copyBytes } from "#output";
import { TextCache } from "#text-cache";
import { DynamicTable } from "./dynamic-table.ts";
import {
  type Entry,
  intern,
  internName,
  isValueOf,
  type Name,
  ROLE_AUTHORITY,
  ROLE_PATH,
  ROLE_PLAIN,
  ROLE_UNKNOWN_PSEUDO,
} from "./entry.ts";
import type { HeaderBlock } from "./header-block.ts";
import { decodeHuffman } from "./huffman.ts";
import { knownName } from "./known-name.ts";
import { STATIC, STATIC_COUNT } from "./static-table.ts";
import { isFieldName } from "./syntax.ts";

/** RFC 7540 §6.5.2: the table size before any SETTINGS, and what we stay at. */
export const DEFAULT_TABLE_BYTES = 4096;

/**
 * One direction's HPACK decoder (RFC 7541). Limits: the table's bytes; integers of at most 28 bits; what a list may hold
 * is the `HeaderBlock`'s. A wrong byte makes `decode` false: the connection is lost (COMPRESSION_ERROR), because the two
 * tables no longer agree. A malformed *message* does not: it is noted in the block and the table goes on.
 */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #maxTableBytes: number;
  #at = 0; // reading position, moved by #integer and #skip
  #textFrom = 0; // where the text begins that #skip passed over, up to #at
  #isHuffman = false;

  /** `maxTableBytes` is what our SETTINGS_HEADER_TABLE_SIZE says. */
  constructor(maxTableBytes = DEFAULT_TABLE_BYTES) {
    this.#maxTableBytes = maxTableBytes;
    this.#table = new DynamicTable(Math.min(maxTableBytes, DEFAULT_TABLE_BYTES));
  }

  get tableBytes(): number {
    return this.#table.sizeBytes;
  }

  /** Reads a whole header block [from, to) into `block`. False: COMPRESSION_ERROR. */
  decode(bytes: Uint8Array, from: number, to: number, block: HeaderBlock): boolean {
    block.begin();
    this.#at = from;
    let mayResize = true; // RFC 7541 §4.2: size updates stand at the beginning of a block
    while (this.#at < to) {
      const first = bytes[this.#at];
      if (first >= 0x80) {
        const entry = this.#entryAt(this.#integer(bytes, to, 0x7f));
        if (entry === undefined) return false;
        block.addEntry(entry);
      } else if (first >= 0x40) {
        if (!this.#indexedLiteral(bytes, to, block)) return false;
      } else if (first >= 0x20) {
        if (!mayResize || !this.#resize(this.#integer(bytes, to, 0x1f))) return false;
        continue;
      } else if (!this.#plainLiteral(bytes, to, block, first >= 0x10)) return false;
      mayResize = false;
    }
    block.finish();
    return true;
  }

  /** RFC 7541 §6.1: index 0 is an error, as is one beyond both tables. */
  #entryAt(index: number): Entry | undefined {
    if (index <= 0) return undefined;
    return index <= STATIC_COUNT ? STATIC[index] : this.#table.at(index - STATIC_COUNT - 1);
  }

  /** RFC 7541 §6.3: never above what we allowed. */
  #resize(bytes: number): boolean {
    if (bytes < 0 || bytes > this.#maxTableBytes) return false;
    this.#table.resize(bytes);
    return true;
  }

  /** RFC 7541 §6.2.1: a literal that becomes a table entry. */
  #indexedLiteral(bytes: Uint8Array, to: number, block: HeaderBlock): boolean {
    const nameStart = block.end;
    let nameEnd = nameStart;
    let name: Name | null = null;
    const index = this.#integer(bytes, to, 0x3f);
    if (index > 0) {
      const named = this.#entryAt(index);
      if (named === undefined) return false;
      name = named.name;
    } else {
      if (index < 0) return false;
      nameEnd = this.#text(bytes, to, block, nameStart);
      if (nameEnd === BROKEN) return false;
      if (nameEnd === OVERSIZE) return this.#skipText(bytes, to, block, true);
    }
    const valueEnd = this.#text(bytes, to, block, nameEnd);
    if (valueEnd === BROKEN) return false;
    if (valueEnd === OVERSIZE) return this.#oversize(block, true);
    name ??= nameOf(block.scratch, nameStart, nameEnd);
    const isValid = name.isValid && isValueOf(name.role, block.scratch, nameEnd, valueEnd);
    const entry = intern(name, latin1(block.scratch, nameEnd, valueEnd), isValid);
    this.#table.add(entry);
    block.addEntry(entry);
    return true;
  }

  /** RFC 7541 §6.2.2 and §6.2.3: a literal without indexing, or never indexed. */
  #plainLiteral(bytes: Uint8Array, to: number, block: HeaderBlock, never: boolean): boolean {
    const nameStart = block.end;
    let nameEnd = nameStart;
    let name: Name | null = null;
    const index = this.#integer(bytes, to, 0x0f);
    if (index > 0) {
      const named = this.#entryAt(index);
      if (named === undefined) return false;
      name = named.name;
      if (name.role === ROLE_PATH) return this.#pseudo(bytes, to, block, name, PATHS);
      if (name.role === ROLE_AUTHORITY) return this.#pseudo(bytes, to, block, name, AUTHORITIES);
      if (name.bytes.length > block.room) return this.#skipText(bytes, to, block, false);
      copyBytes(name.bytes, 0, name.bytes.length, block.scratch, nameStart);
      nameEnd += name.bytes.length;
    } else {
      if (index < 0) return false;
      nameEnd = this.#text(bytes, to, block, nameStart);
      if (nameEnd === BROKEN) return false;
      if (nameEnd === OVERSIZE) return this.#skipText(bytes, to, block, false);
      name = knownName(block.scratch, nameStart, nameEnd);
    }
    const valueEnd = this.#text(bytes, to, block, nameEnd);
    if (valueEnd === BROKEN) return false;
    if (valueEnd === OVERSIZE) return this.#oversize(block, false);
    if (name !== null) {
      if (!name.isValid) block.fail(BAD_NAME);
      block.addLiteral(name.id, name.role, nameStart, nameEnd, valueEnd, never);
    } else {
      const isPseudo = block.scratch[nameStart] === 0x3a && nameEnd > nameStart;
      if (!isPseudo && !isFieldName(block.scratch, nameStart, nameEnd)) block.fail(BAD_NAME);
      block.addLiteral(0, isPseudo ? ROLE_UNKNOWN_PSEUDO : ROLE_PLAIN, nameStart, nameEnd, valueEnd, never);
    }
    return true;
  }

  /** The value of a `:path` or `:authority` that stays out of the table. */
  #pseudo(bytes: Uint8Array, to: number, block: HeaderBlock, name: Name, cache: TextCache): boolean {
    const from = this.#at;
    if (!this.#skip(bytes, to)) return false;
    const known = cache.find(bytes, from, this.#at);
    if (known !== null) {
      block.addPseudo(name, known.text, known.isValid);
      return true;
    }
    const start = block.end;
    const valueEnd = this.#unpack(bytes, block, start);
    if (valueEnd === BROKEN) return false;
    if (valueEnd === OVERSIZE) return this.#oversize(block, false);
    const isValid = isValueOf(name.role, block.scratch, start, valueEnd);
    const text = latin1(block.scratch, start, valueEnd);
    cache.add(bytes, from, this.#at, text, isValid);
    block.addPseudo(name, text, isValid);
    return true;
  }

  /** Passes over a text. False: it is cut short. */
  #skip(bytes: Uint8Array, to: number): boolean {
    if (this.#at >= to) return false;
    this.#isHuffman = bytes[this.#at] >= 0x80;
    const length = this.#integer(bytes, to, 0x7f);
    if (length < 0 || length > to - this.#at) return false;
    this.#textFrom = this.#at;
    this.#at += length;
    return true;
  }

  /** RFC 7541 §5.2 into the block's scratch at `at`; where it ended, BROKEN, or OVERSIZE (then it was skipped). */
  #text(bytes: Uint8Array, to: number, block: HeaderBlock, at: number): number {
    return this.#skip(bytes, to) ? this.#unpack(bytes, block, at) : BROKEN;
  }

  /** The text that was passed over last, as `#text`. */
  #unpack(bytes: Uint8Array, block: HeaderBlock, at: number): number {
    const from = this.#textFrom;
    const to = this.#at;
    const { scratch } = block;
    const room = scratch.length - at;
    if (this.#isHuffman) {
      if ((to - from) * 8 > room * 5) return OVERSIZE; // the shortest code has 5 bits
      const end = decodeHuffman(bytes, from, to, scratch, at);
      return end < 0 ? BROKEN : end;
    }
    if (to - from > room) return OVERSIZE;
    copyBytes(bytes, from, to, scratch, at);
    return at + to - from;
  }

  /** The name was too long to hold: passes over the value too. */
  #skipText(bytes: Uint8Array, to: number, block: HeaderBlock, isIndexed: boolean): boolean {
    return this.#skip(bytes, to) && this.#oversize(block, isIndexed);
  }

  /** RFC 7541 §4.4: what does not fit our scratch is larger than the table too, and so empties it. */
  #oversize(block: HeaderBlock, isIndexed: boolean): boolean {
    if (isIndexed) this.#table.clear();
    block.overflow();
    return true;
  }

  /** RFC 7541 §5.1, at most 4 bytes behind the prefix (28 bits). -1 when cut short or longer. */
  #integer(bytes: Uint8Array, to: number, prefix: number): number {
    const value = bytes[this.#at++] & prefix;
    if (value < prefix) return value;
    let more = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= to) return -1;
      const byte = bytes[this.#at++];
      more |= (byte & 0x7f) << shift;
      if (byte < 0x80) return prefix + more;
    }
    return -1;
  }
}

const PATHS = new TextCache();
const AUTHORITIES = new TextCache();
const BROKEN = -1;
const OVERSIZE = -2;
const BAD_NAME = "a field name that is not a lower-case token (RFC 9113 §8.2.1)";

function nameOf(bytes: Uint8Array, from: number, to: number): Name {
  const known = knownName(bytes, from, to);
  if (known !== null) return known;
  const isPseudo = from < to && bytes[from] === 0x3a;
  return internName(latin1(bytes, from, to), isPseudo || isFieldName(bytes, from, to));
}
