import { type Fields, type HeaderLine, knownId, HeaderLine as Line, REMOVED, STRIDE } from "#fields";
import { HTTP_2, type RequestHead, type ResponseHead } from "#message";
import { copyBytes } from "#output";
import { DEFAULT_TABLE_BYTES } from "./decoder.ts";
import { DynamicTable } from "./dynamic-table.ts";
import { Entry, internForever, type Name, NEVER_INDEXED } from "./entry.ts";
import { STATIC, STATIC_COUNT, STATIC_NAME_BY_ID } from "./static-table.ts";

/**
 * One direction's HPACK encoder (RFC 7541). A field that was a table entry where it came from becomes one here; every
 * other field goes as a literal without indexing, so that nothing the peer did not choose to index fills the table.
 * Text is not Huffman coded: the bytes saved cost more than they bring between neighbours.
 *
 * It also is where fields of HTTP/1 become fields of HTTP/2: names lower-cased, what speaks of the HTTP/1 connection
 * left out (RFC 9113 §8.2.2), TE reduced to `trailers`.
 *
 * Writes into `out` at `at` without looking at its length: make room for `…Bound` bytes first.
 */
export class HpackEncoder {
  readonly #maxTableBytes: number;
  readonly #table: DynamicTable;
  /** How many entries had been inserted when this one was. */
  readonly #insertedAs = new Map<Entry, number>();
  #inserted = 0;
  /** Smallest size that the peer allowed since the last block, or -1: it must hear of it (RFC 7541 §4.2). */
  #smallest = -1;

  constructor(maxTableBytes = DEFAULT_TABLE_BYTES) {
    this.#maxTableBytes = maxTableBytes;
    this.#table = new DynamicTable(Math.min(maxTableBytes, DEFAULT_TABLE_BYTES));
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableBytes(bytes: number): void {
    const capacity = Math.min(bytes, this.#maxTableBytes);
    if (capacity === this.#table.capacityBytes) return;
    this.#smallest = this.#smallest < 0 ? capacity : Math.min(this.#smallest, capacity);
    this.#makeRoom(0, capacity);
    this.#table.resize(capacity);
  }

  request(head: RequestHead, added: readonly HeaderLine[], out: Uint8Array, at: number): number {
    at = this.#sizeUpdates(out, at);
    at = this.#pseudo(METHOD, head.method, out, at);
    if (head.method !== "CONNECT") {
      out[at++] = head.scheme === "https" ? 0x87 : 0x86;
      at = this.#pseudo(PATH, head.path, out, at);
    }
    if (head.authority !== "") at = this.#pseudo(AUTHORITY, head.authority, out, at);
    return appendLines(added, out, this.fields(head.fields, head.version, out, at));
  }

  response(head: ResponseHead, added: readonly HeaderLine[], out: Uint8Array, at: number): number {
    at = this.#sizeUpdates(out, at);
    at = this.#entry(statusEntry(head.status), out, at);
    return appendLines(added, out, this.fields(head.fields, head.version, out, at));
  }

  trailers(fields: Fields, version: number, out: Uint8Array, at: number): number {
    return this.fields(fields, version, out, this.#sizeUpdates(out, at));
  }

  /** The fields of a message of this version. */
  fields(fields: Fields, version: number, out: Uint8Array, at: number): number {
    if (version !== HTTP_2) return this.#http1Fields(fields, out, at);
    const { entries, at: offsets, bytes } = fields;
    for (let index = 0, offset = 0; index < fields.count; index++, offset += STRIDE) {
      if (offsets[offset] === REMOVED) continue;
      const entry = entries[index];
      if (entry instanceof Entry) at = this.#entry(entry, out, at);
      else at = literal(bytes, offsets, offset, entry === NEVER_INDEXED ? 0x10 : 0, out, at);
    }
    return at;
  }

  #http1Fields(fields: Fields, out: Uint8Array, at: number): number {
    const listed = listedByConnection(fields);
    const { at: offsets, bytes } = fields;
    for (let index = 0, offset = 0; index < fields.count; index++, offset += STRIDE) {
      const id = offsets[offset];
      if (id === REMOVED || HOP_BY_HOP[id] === 1) continue;
      if (listed?.has(fields.name(index))) continue;
      if (id === TE) {
        if (mentionsTrailers(fields.value(index))) at = appendLines(TE_TRAILERS, out, at);
      } else {
        const end = literal(bytes, offsets, offset, 0, out, at);
        if (STATIC_NAME_BY_ID[id] === 0) lowerCase(out, at, end, offsets[offset + 2] - offsets[offset + 1]);
        at = end;
      }
    }
    return at;
  }

  /** A pseudo-field by its text: by index when the text is interned and so was indexed by someone. */
  #pseudo(name: Name, value: string, out: Uint8Array, at: number): number {
    const entry = name.values.get(value);
    if (entry !== undefined) return this.#entry(entry, out, at);
    out[at++] = name.staticIndex; // all are below 15
    at = integer(value.length, 0, 0x7f, out, at);
    for (let i = 0; i < value.length; i++) out[at++] = value.charCodeAt(i);
    return at;
  }

  #entry(entry: Entry, out: Uint8Array, at: number): number {
    if (entry.staticIndex !== 0) {
      out[at++] = 0x80 | entry.staticIndex; // 61 at most: one byte
      return at;
    }
    const insertedAs = this.#insertedAs.get(entry);
    if (insertedAs !== undefined) return integer(STATIC_COUNT + this.#inserted - insertedAs, 0x80, 0x7f, out, at);
    const nameIndex = entry.name.staticIndex;
    const isKept = this.#insert(entry);
    at = isKept ? integer(nameIndex, 0x40, 0x3f, out, at) : integer(nameIndex, 0, 0x0f, out, at);
    const nameLength = entry.name.bytes.length;
    if (nameIndex === 0) {
      at = integer(nameLength, 0, 0x7f, out, at);
      copyBytes(entry.name.bytes, 0, nameLength, out, at);
      at += nameLength;
    }
    const { bytes } = entry;
    at = integer(bytes.length - nameLength, 0, 0x7f, out, at);
    copyBytes(bytes, nameLength, bytes.length, out, at);
    return at + bytes.length - nameLength;
  }

  /** False for what would push out most of the table: it goes without indexing. */
  #insert(entry: Entry): boolean {
    const capacity = this.#table.capacityBytes;
    if (entry.size * 2 > capacity) return false;
    this.#makeRoom(entry.size, capacity);
    this.#table.add(entry);
    this.#insertedAs.set(entry, this.#inserted++);
    return true;
  }

  #makeRoom(bytes: number, capacity: number): void {
    while (this.#table.count > 0 && this.#table.sizeBytes + bytes > capacity) {
      this.#insertedAs.delete(this.#table.evict());
    }
  }

  #sizeUpdates(out: Uint8Array, at: number): number {
    if (this.#smallest < 0) return at;
    if (this.#smallest < this.#table.capacityBytes) at = integer(this.#smallest, 0x20, 0x1f, out, at);
    this.#smallest = -1;
    return integer(this.#table.capacityBytes, 0x20, 0x1f, out, at);
  }
}

/** No request head needs more than this many bytes. */
export function requestBound(head: RequestHead, added: readonly HeaderLine[]): number {
  return head.method.length + head.path.length + head.authority.length + 64 + fieldsBound(head.fields, added);
}

/** No field list needs more: each field at most three integers of 5 bytes besides its text. */
export function fieldsBound(fields: Fields, added: readonly HeaderLine[]): number {
  let bytes = 64;
  const { at, count } = fields;
  for (let offset = 0; offset < count * STRIDE; offset += STRIDE) {
    bytes += at[offset + 2] - at[offset + 1] + at[offset + 4] - at[offset + 3] + 16;
  }
  for (let index = 0; index < added.length; index++) bytes += added[index].hpack.length;
  return bytes;
}

const METHOD = STATIC[2]!.name;
const PATH = STATIC[4]!.name;
const AUTHORITY = STATIC[1]!.name;
const TE = knownId("te");
const CONNECTION = knownId("connection");
const TE_TRAILERS = [new Line("te", "trailers")];
const HOP_BY_HOP = hopByHop();

function hopByHop(): Uint8Array {
  const ids = new Uint8Array(256);
  const names = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
  ] as const;
  for (const name of names) ids[knownId(name)] = 1;
  return ids;
}

const statuses: (Entry | undefined)[] = [];

/** The entry of a status; at most 900 are ever made. */
function statusEntry(status: number): Entry {
  return (statuses[status] ??= internForever(":status", String(status)));
}

/** RFC 7541 §5.1. */
function integer(value: number, flags: number, prefix: number, out: Uint8Array, at: number): number {
  if (value < prefix) {
    out[at++] = flags | value;
    return at;
  }
  out[at++] = flags | prefix;
  value -= prefix;
  for (; value >= 128; value >>>= 7) out[at++] = (value & 0x7f) | 0x80;
  out[at++] = value;
  return at;
}

/** RFC 7541 §6.2.2 (flags 0) or §6.2.3 (flags 0x10), the name by its static row when it has one. */
function literal(
  bytes: Uint8Array,
  offsets: Int32Array,
  offset: number,
  flags: number,
  out: Uint8Array,
  at: number,
): number {
  const nameIndex = STATIC_NAME_BY_ID[offsets[offset]];
  at = integer(nameIndex, flags, 0x0f, out, at);
  if (nameIndex === 0) at = text(bytes, offsets[offset + 1], offsets[offset + 2], out, at);
  return text(bytes, offsets[offset + 3], offsets[offset + 4], out, at);
}

function text(bytes: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  const length = to - from;
  at = integer(length, 0, 0x7f, out, at);
  copyBytes(bytes, from, to, out, at);
  return at + length;
}

/** Lower-cases the name of the literal written at `start`: it stands behind the first byte and its own length. */
function lowerCase(out: Uint8Array, start: number, end: number, nameLength: number): void {
  let at = start + 2;
  if (nameLength >= 127) for (at = start + 2; out[at++] >= 0x80; );
  const nameEnd = Math.min(at + nameLength, end);
  for (; at < nameEnd; at++) {
    const byte = out[at];
    if (byte >= 0x41 && byte <= 0x5a) out[at] = byte | 0x20;
  }
}

function appendLines(lines: readonly HeaderLine[], out: Uint8Array, at: number): number {
  for (let index = 0; index < lines.length; index++) {
    const { hpack } = lines[index];
    copyBytes(hpack, 0, hpack.length, out, at);
    at += hpack.length;
  }
  return at;
}

/** RFC 9110 §7.6.1: names that Connection lists are for this hop only. Null when there are none. */
function listedByConnection(fields: Fields): Set<string> | null {
  let listed: Set<string> | null = null;
  for (let index = 0; index < fields.count; index++) {
    if (fields.id(index) !== CONNECTION) continue;
    listed ??= new Set();
    for (const name of fields.value(index).split(",")) listed.add(name.trim().toLowerCase());
  }
  return listed;
}

function mentionsTrailers(te: string): boolean {
  return te.split(",").some((coding) => coding.trim().toLowerCase() === "trailers");
}
