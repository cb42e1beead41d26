import { Fields, REMOVED } from "#fields";
import { latin1 } from "#latin1";
import { copyBytes } from "#output";
import {
  type Entry,
  isValueOf,
  type Name,
  NEVER_INDEXED,
  ROLE_AUTHORITY,
  ROLE_CONNECTION,
  ROLE_CONTENT_LENGTH,
  ROLE_COOKIE,
  ROLE_EXPECT,
  ROLE_HOST,
  ROLE_METHOD,
  ROLE_PATH,
  ROLE_PLAIN,
  ROLE_SCHEME,
  ROLE_STATUS,
  ROLE_TE,
  ROLE_UNKNOWN_PSEUDO,
} from "./entry.ts";

/** Limits of one decoded header list. The count matters as much as the bytes: HPACK makes a field cost one byte on the wire. */
export interface HeaderLimits {
  /** RFC 9113 §6.5.2: names, values and 32 per field. */
  readonly maxListBytes: number;
  readonly maxFields: number;
}

/** 16 KiB as Linkerd's proxy has it; 128 fields, as nginx and Go bound theirs by about a hundred. */
export const DEFAULT_HEADER_LIMITS: HeaderLimits = { maxListBytes: 16_384, maxFields: 128 };

/**
 * One decoded header list: pseudo-fields apart, the others in `fields` over a scratch buffer that the next list reuses.
 * It collects what is wrong with the message instead of failing, because the decoder's table must go on regardless.
 * Shared by all connections of one configuration: a list is consumed before the next is decoded.
 */
export class HeaderBlock {
  readonly limits: HeaderLimits;
  readonly fields = new Fields();
  /** Room for the largest list, and behind it for joined cookies or one more literal. */
  readonly scratch: Uint8Array;
  /** One past the last used byte of `scratch`. */
  end = 0;
  method = "";
  path = "";
  scheme = "";
  authority = "";
  status = "";
  /** Bit `1 << role` for each pseudo-field that was there. */
  pseudo = 0;
  /** Position of the first Host field, or -1. */
  hostIndex = -1;
  /** Announced body length; -1 when not announced. */
  contentLength = -1;
  expectsContinue = false;
  /** Why the message is malformed (RFC 9113 §8.1.1); empty when it is not. */
  malformed = "";
  /** Over a limit: the fields were dropped. */
  isTooLarge = false;
  #listBytes = 0;
  #fieldCount = 0;
  #cookieCount = 0;

  constructor(limits: HeaderLimits = DEFAULT_HEADER_LIMITS) {
    this.limits = limits;
    this.scratch = new Uint8Array(limits.maxListBytes + Math.max(limits.maxListBytes, SPARE_BYTES));
    this.fields.clear(this.scratch);
  }

  /** Makes ready for the next list. */
  begin(): void {
    this.fields.clear(this.scratch);
    this.end = 0;
    this.method = this.path = this.scheme = this.authority = this.status = "";
    this.pseudo = 0;
    this.hostIndex = -1;
    this.contentLength = -1;
    this.expectsContinue = false;
    this.malformed = "";
    this.isTooLarge = false;
    this.#listBytes = 0;
    this.#fieldCount = 0;
    this.#cookieCount = 0;
  }

  /** A field that is a table entry. */
  addEntry(entry: Entry): void {
    if (!this.#count(entry.size)) return;
    if (!entry.isValid) this.fail(BAD_VALUE);
    const name = entry.name;
    if (isPseudo(name.role)) {
      this.#takePseudo(name.role, entry.value);
      return;
    }
    const start = this.end;
    copyBytes(entry.bytes, 0, entry.bytes.length, this.scratch, start);
    const valueStart = start + name.bytes.length;
    this.end = start + entry.bytes.length;
    this.#push(name.id, name.role, start, valueStart, this.end, entry);
  }

  /** A literal that stays out of the table; name and value stand at the end of `scratch` in this order. */
  addLiteral(id: number, role: number, nameStart: number, valueStart: number, valueEnd: number, never: boolean): void {
    if (!this.#count(valueEnd - nameStart + 32)) return;
    if (!isValueOf(role, this.scratch, valueStart, valueEnd)) this.fail(BAD_VALUE);
    if (isPseudo(role)) {
      this.#takePseudo(role, latin1(this.scratch, valueStart, valueEnd));
      return;
    }
    this.end = valueEnd;
    this.#push(id, role, nameStart, valueStart, valueEnd, never ? NEVER_INDEXED : null);
  }

  /** A pseudo-field that is no table entry, with its text. */
  addPseudo(name: Name, value: string, isValid: boolean): void {
    if (!this.#count(name.bytes.length + value.length + 32)) return;
    if (!isValid) this.fail(BAD_VALUE);
    this.#takePseudo(name.role, value);
  }

  /** Counts a literal that cannot even be held. */
  overflow(): void {
    this.isTooLarge = true;
    this.fields.clear(this.scratch);
    this.end = 0;
    this.hostIndex = -1;
    this.#cookieCount = 0;
  }

  fail(reason: string): void {
    if (this.malformed === "") this.malformed = reason;
  }

  has(role: number): boolean {
    return (this.pseudo & (1 << role)) !== 0;
  }

  /** Ends the list: cookie crumbs become one field again, as HTTP/1 needs it (RFC 9113 §8.2.3). */
  finish(): void {
    if (this.#cookieCount > 1) this.#joinCookies();
  }

  /** Bytes that may still be written behind `end`. */
  get room(): number {
    return this.scratch.length - this.end;
  }

  #count(size: number): boolean {
    if (this.isTooLarge) return false;
    this.#listBytes += size;
    if (++this.#fieldCount <= this.limits.maxFields && this.#listBytes <= this.limits.maxListBytes) return true;
    this.overflow();
    return false;
  }

  #push(id: number, role: number, start: number, valueStart: number, end: number, entry: object | null): void {
    this.fields.push(id, start, valueStart, valueStart, end, entry);
    if (role !== ROLE_PLAIN) this.#check(role, valueStart, end);
  }

  /** RFC 9113 §8.3: before all others, each at most once, none that is not defined. */
  #takePseudo(role: number, value: string): void {
    if (role === ROLE_UNKNOWN_PSEUDO) this.fail("an undefined pseudo-field");
    if (this.fields.count > 0) this.fail("a pseudo-field behind an ordinary field");
    if ((this.pseudo & (1 << role)) !== 0) this.fail("a pseudo-field that comes twice");
    this.pseudo |= 1 << role;
    if (role === ROLE_METHOD) this.method = value;
    else if (role === ROLE_PATH) this.path = value;
    else if (role === ROLE_SCHEME) this.scheme = value;
    else if (role === ROLE_AUTHORITY) this.authority = value;
    else if (role === ROLE_STATUS) this.status = value;
  }

  #check(role: number, from: number, to: number): void {
    if (role === ROLE_CONNECTION) this.fail("a field that speaks of the connection (RFC 9113 §8.2.2)");
    else if (role === ROLE_COOKIE) this.#cookieCount++;
    else if (role === ROLE_CONTENT_LENGTH) this.#takeLength(from, to);
    else if (role === ROLE_TE) this.#checkTe();
    else if (role === ROLE_EXPECT)
      this.expectsContinue = latin1(this.scratch, from, to).toLowerCase() === "100-continue";
    else if (role === ROLE_HOST) {
      if (this.hostIndex >= 0) this.fail("two Host fields");
      this.hostIndex = this.fields.count - 1;
    }
  }

  /** RFC 9110 §8.6: digits only, and one value however often it is said. */
  #takeLength(from: number, to: number): void {
    let length = 0;
    for (let at = from; at < to; at++) {
      const digit = this.scratch[at] - 0x30;
      if (digit < 0 || digit > 9) {
        this.fail("a content-length that is not a number");
        return;
      }
      length = length * 10 + digit;
    }
    if (from === to || length > Number.MAX_SAFE_INTEGER) {
      this.fail("a content-length that is not a number");
      return;
    }
    if (this.contentLength >= 0) this.fail("two content-length fields");
    this.contentLength = length;
  }

  #checkTe(): void {
    const isTrailers = this.fields.valueIs(this.fields.count - 1, "trailers", true);
    if (!isTrailers) this.fail("a TE other than trailers (RFC 9113 §8.2.2)");
  }

  #joinCookies(): void {
    const fields = this.fields;
    const start = this.end;
    this.scratch.set(COOKIE, start);
    const valueStart = start + COOKIE.length;
    let end = valueStart;
    for (let index = 0, last = fields.count; index < last; index++) {
      if (fields.id(index) === REMOVED || !fields.nameIs(index, "cookie")) continue;
      if (end > valueStart) {
        this.scratch[end++] = 0x3b; // "; "
        this.scratch[end++] = 0x20;
      }
      const value = fields.at.subarray(index * 5 + 3, index * 5 + 5);
      this.scratch.copyWithin(end, value[0], value[1]);
      end += value[1] - value[0];
      fields.remove(index);
    }
    this.end = end;
    fields.push(0, start, valueStart, valueStart, end, null);
  }
}

function isPseudo(role: number): boolean {
  return role !== ROLE_PLAIN && role <= ROLE_UNKNOWN_PSEUDO;
}

/**
 * Behind a full list there is still room for any literal that a 4096 byte table could keep: a name of 4064 bytes and a
 * value of as many, which in Huffman text of 30 bits a byte is 15,240 bytes, for which the decoder asks 8 / 5 of room.
 */
const SPARE_BYTES = 28_672;
const BAD_VALUE = "a field value that its name may not have";
const COOKIE = Buffer.from("cookie");
