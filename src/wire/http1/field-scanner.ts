import { type Fields, STRIDE } from "#fields";
import { COLON, CR, FIELD_VALUE, HTAB, LF, SP, TOKEN } from "./classes.ts";
import { BAD_FIELD_NAME, BAD_FIELD_VALUE, BARE_CR, BARE_LF, FOLDED_FIELD, TOO_MANY_FIELDS } from "./codes.ts";
import { knownIdOf } from "./known-names.ts";

/**
 * Reads a block of field lines up to and including its blank line, into `Fields` as offsets.
 * May be left at any byte and continued: the state is kept between calls, `rebase` moves its offsets.
 *
 *   LINE ──CR──> BLANK_LF ──LF──> done
 *     └─token──> NAME ──":"──> GAP ──> VALUE ──CR──> VALUE_LF ──LF──> LINE
 */
export class FieldScanner {
  isDone = false;
  readonly #fields: Fields;
  readonly #maxFields: number;
  #state = LINE;
  #nameStart = 0;
  #nameEnd = 0;
  #valueStart = 0;

  constructor(fields: Fields, maxFields: number) {
    this.#fields = fields;
    this.#maxFields = maxFields;
  }

  begin(): void {
    this.isDone = false;
    this.#state = LINE;
    this.#fields.count = 0;
  }

  /** Goes on at `at`. Returns where it stopped (`to`, or behind the blank line with `isDone`) or a code. */
  scan(bytes: Uint8Array, at: number, to: number): number {
    while (at < to) {
      switch (this.#state) {
        case LINE:
          at = this.#plainLines(bytes, at, to);
          if (at < to) at = this.#line(bytes, at);
          break;
        case NAME:
          at = this.#name(bytes, at, to);
          break;
        case GAP:
          at = this.#gap(bytes, at, to);
          break;
        case VALUE:
          at = this.#value(bytes, at, to);
          break;
        case VALUE_LF:
          at = this.#valueLf(bytes, at);
          break;
        default:
          if (bytes[at] !== LF) return BARE_CR; // CVE-2025-23167: CR LF CR X ends nothing
          this.isDone = true;
          return at + 1;
      }
      if (at < 0) return at;
    }
    return at;
  }

  /** The bytes have moved by `by`. */
  rebase(by: number): void {
    this.#nameStart += by;
    this.#nameEnd += by;
    this.#valueStart += by;
    const at = this.#fields.at;
    const end = this.#fields.count * STRIDE;
    for (let i = 0; i < end; i++) if (i % STRIDE !== 0) at[i] += by; // all but the id
  }

  /**
   * Takes whole lines of the usual form, `name: value CR LF`, in one loop without leaving it (bench/micro/http1.ts: a third of
   * the time per head). Returns where the first line begins that is cut, odd or wrong: the states below see to it.
   */
  #plainLines(bytes: Uint8Array, at: number, to: number): number {
    const fields = this.#fields;
    while (fields.count < this.#maxFields) {
      let end = at;
      while (end < to && TOKEN[bytes[end]] === 1) end++;
      if (end === at || end + 1 >= to || bytes[end] !== COLON) return at;
      const nameEnd = end++;
      if (bytes[end] === SP) end++;
      const start = end;
      if (start >= to || bytes[start] === SP || bytes[start] === HTAB) return at;
      while (end < to && FIELD_VALUE[bytes[end]] === 1) end++;
      if (end + 1 >= to || bytes[end] !== CR || bytes[end + 1] !== LF) return at;
      if (end > start && (bytes[end - 1] === SP || bytes[end - 1] === HTAB)) return at;
      fields.push(knownIdOf(bytes, at, nameEnd), at, nameEnd, start, end, null);
      at = end + 2;
    }
    return at;
  }

  #line(bytes: Uint8Array, at: number): number {
    const byte = bytes[at];
    if (byte === CR) {
      this.#state = BLANK_LF;
      return at + 1;
    }
    if (byte === LF) return BARE_LF;
    if (byte === SP || byte === HTAB) return FOLDED_FIELD; // RFC 9112 §5.2
    if (this.#fields.count >= this.#maxFields) return TOO_MANY_FIELDS;
    this.#nameStart = at;
    this.#state = NAME;
    return at;
  }

  #name(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && TOKEN[bytes[at]] === 1) at++;
    if (at === to) return at;
    if (bytes[at] !== COLON || at === this.#nameStart) return BAD_FIELD_NAME; // RFC 9112 §5.1: no space before the colon
    this.#nameEnd = at;
    this.#state = GAP;
    return at + 1;
  }

  #gap(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && (bytes[at] === SP || bytes[at] === HTAB)) at++;
    if (at === to) return at;
    this.#valueStart = at;
    this.#state = VALUE;
    return at;
  }

  #value(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && FIELD_VALUE[bytes[at]] === 1) at++;
    if (at === to) return at;
    if (bytes[at] !== CR) return bytes[at] === LF ? BARE_LF : BAD_FIELD_VALUE;
    this.#state = VALUE_LF;
    return at + 1;
  }

  #valueLf(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== LF) return BARE_CR;
    let end = at - 1;
    const start = this.#valueStart;
    while (end > start && (bytes[end - 1] === SP || bytes[end - 1] === HTAB)) end--;
    const id = knownIdOf(bytes, this.#nameStart, this.#nameEnd);
    this.#fields.push(id, this.#nameStart, this.#nameEnd, start, end, null);
    this.#state = LINE;
    return at + 1;
  }
}

const LINE = 0;
const NAME = 1;
const GAP = 2;
const VALUE = 3;
const VALUE_LF = 4;
const BLANK_LF = 5;
