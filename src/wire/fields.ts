import { isText, isTextAnyCase, latin1 } from "./latin1.ts";
import { copyBytes } from "./output-buffer.ts";

/**
 * Header fields of one message as offsets into one byte buffer: what every HTTP codec reads into and writes from.
 * No strings are made on the way through. Edits before writing: `remove` a field, and pass `HeaderLine`s to add.
 *
 * Ownership: the codec that filled it lends it until the sink returns. `copy()` to keep.
 * Names are lower-case when the field came from HTTP/2, as written when from HTTP/1; compare through `id` or `nameIs`.
 */
export class Fields {
  /** Names and values live here. */
  bytes: Uint8Array = EMPTY;
  count = 0;
  /** `STRIDE` numbers per field: id, nameStart, nameEnd, valueStart, valueEnd. Grows by doubling. */
  at: Int32Array = new Int32Array(STRIDE * 32);
  /** HPACK's own: the table entry a field was decoded from, or null. Opaque to everyone else. */
  entries: (object | null)[] = [];

  clear(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.count = 0;
  }

  push(
    id: number,
    nameStart: number,
    nameEnd: number,
    valueStart: number,
    valueEnd: number,
    entry: object | null,
  ): void {
    let offset = this.count * STRIDE;
    if (offset === this.at.length) this.#grow();
    const at = this.at;
    at[offset++] = id;
    at[offset++] = nameStart;
    at[offset++] = nameEnd;
    at[offset++] = valueStart;
    at[offset] = valueEnd;
    this.entries[this.count++] = entry;
  }

  id(index: number): number {
    return this.at[index * STRIDE];
  }

  /** Leaves the field out of what writers write. The others keep their positions. */
  remove(index: number): void {
    this.at[index * STRIDE] = REMOVED;
  }

  /** Position of the first field with this known id, or -1. */
  find(id: number): number {
    const at = this.at;
    for (let index = 0, offset = 0; index < this.count; index++, offset += STRIDE) if (at[offset] === id) return index;
    return -1;
  }

  /** Compares ASCII case-insensitively with a lower-case name. */
  nameIs(index: number, lowerName: string): boolean {
    const offset = index * STRIDE;
    return isTextAnyCase(this.bytes, this.at[offset + 1], this.at[offset + 2], lowerName);
  }

  /** The name as text, lower-cased. Not for the hot path. */
  name(index: number): string {
    const offset = index * STRIDE;
    return latin1(this.bytes, this.at[offset + 1], this.at[offset + 2]).toLowerCase();
  }

  /** The value as text (one character per byte). */
  value(index: number): string {
    const offset = index * STRIDE;
    return latin1(this.bytes, this.at[offset + 3], this.at[offset + 4]);
  }

  /** Whether the value is exactly this text (one character per byte). */
  valueEquals(index: number, text: string): boolean {
    const offset = index * STRIDE;
    return isText(this.bytes, this.at[offset + 3], this.at[offset + 4], text);
  }

  /** Whether the value begins with this lower-case text, ASCII case-insensitively; `isWhole`: and is no longer. */
  valueIs(index: number, lowerText: string, isWhole: boolean): boolean {
    const from = this.at[index * STRIDE + 3];
    const to = this.at[index * STRIDE + 4];
    return isTextAnyCase(this.bytes, from, isWhole ? to : Math.min(to, from + lowerText.length), lowerText);
  }

  /** The first value of a field by lower-case name, or undefined. Not for the hot path. */
  get(lowerName: string): string | undefined {
    for (let index = 0; index < this.count; index++) {
      if (this.id(index) !== REMOVED && this.nameIs(index, lowerName)) return this.value(index);
    }
    return undefined;
  }

  /**
   * A copy that owns its bytes, for whoever must wait. Only the stretch that fields lie in is copied (a head may stand before
   * 512 KiB of body), with the line end behind it. Table entries are kept: they are immutable.
   */
  copy(): Fields {
    const kept = new Fields();
    kept.at = new Int32Array(Math.max(this.count, 1) * STRIDE);
    this.copyTo(kept);
    return kept;
  }

  /** The same into one whose arrays are its own, and are used again when they are long enough. */
  copyTo(kept: Fields): void {
    const { at, count } = this;
    const end = count * STRIDE;
    let from = this.bytes.length;
    let to = 0;
    for (let offset = 0; offset < end; offset += STRIDE) {
      const first = Math.min(at[offset + 1], at[offset + 3]);
      const last = Math.max(at[offset + 2], at[offset + 4]);
      if (first < from) from = first;
      if (last > to) to = last;
    }
    const stop = Math.min(to + LINE_END_BYTES, this.bytes.length);
    if (kept.bytes.length < stop - from) kept.bytes = new Uint8Array(stop - from);
    if (kept.at.length < end) kept.at = new Int32Array(end);
    copyBytes(this.bytes, from, stop, kept.bytes, 0);
    const keptAt = kept.at;
    const { entries } = kept;
    for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
      keptAt[offset] = at[offset];
      keptAt[offset + 1] = at[offset + 1] - from;
      keptAt[offset + 2] = at[offset + 2] - from;
      keptAt[offset + 3] = at[offset + 3] - from;
      keptAt[offset + 4] = at[offset + 4] - from;
      entries[index] = this.entries[index];
    }
    kept.count = count;
  }

  #grow(): void {
    const wider = new Int32Array(this.at.length * 2);
    wider.set(this.at);
    this.at = wider;
  }
}

export const STRIDE = 5;
/** CR LF behind the last HTTP/1 field: with it the copy is still written as one range. */
const LINE_END_BYTES = 2;
const EMPTY = new Uint8Array(0);

/** A field that is there but is not to be written. */
export const REMOVED = -1;
/** A name that is none of `KNOWN`. */
export const UNKNOWN = 0;

/** Names that some part of the proxy acts on, by id. HTTP/2 pseudo-fields never appear in `Fields`; heads carry them. */
export const KNOWN = [
  "",
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "te",
  "trailer",
  "upgrade",
  "keep-alive",
  "proxy-connection",
  "expect",
  "content-type",
  "grpc-status",
  "grpc-message",
  "date",
  "server",
  "user-agent",
  "accept",
  "http2-settings",
  "retry-after",
  "location",
  "forwarded",
  "l5d-orig-proto",
  "l5d-client-id",
  "l5d-dst-canonical",
  "l5d-dst-override",
  "l5d-require-id",
  "l5d-proxy-error",
  "l5d-proxy-connection",
  "l5d-retry-http",
  "l5d-retry-grpc",
  "l5d-retry-limit",
  "l5d-retry-timeout",
  "l5d-timeout",
  "l5d-request-timeout",
  "l5d-response-timeout",
  "grpc-timeout",
  "traceparent",
] as const;

const ID_BY_NAME = new Map<string, number>(KNOWN.map((name, id) => [name, id]));

/** The id of a known lower-case name. */
export function knownId(lowerName: (typeof KNOWN)[number]): number {
  return ID_BY_NAME.get(lowerName)!;
}

/** The id of any lower-case name; `UNKNOWN` when it is none of ours. */
export function idOf(lowerName: string): number {
  return ID_BY_NAME.get(lowerName) ?? UNKNOWN;
}

/** A field that the proxy adds, encoded once for both protocols. `http1` is `name: value CRLF`; `hpack` a literal without indexing. */
export class HeaderLine {
  readonly name: string;
  readonly value: string;
  readonly http1: Uint8Array;
  readonly hpack: Uint8Array;

  constructor(lowerName: string, value: string) {
    this.name = lowerName;
    this.value = value;
    this.http1 = Buffer.from(`${lowerName}: ${value}\r\n`, "latin1");
    this.hpack = hpackLiteral(lowerName, value);
  }
}

/** RFC 7541 §6.2.2: literal without indexing, new name, no Huffman. */
function hpackLiteral(name: string, value: string): Uint8Array {
  return Buffer.concat([Buffer.from([0]), hpackText(name), hpackText(value)]);
}

function hpackText(text: string): Uint8Array {
  const bytes = Buffer.from(text, "latin1");
  const prefix: number[] = [];
  if (bytes.length < 127) prefix.push(bytes.length);
  else {
    prefix.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>= 7) prefix.push((rest & 127) | 128);
    prefix.push(rest);
  }
  return Buffer.concat([Buffer.from(prefix), bytes]);
}
