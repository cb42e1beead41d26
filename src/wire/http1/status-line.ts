import { HTTP_1_0, HTTP_1_1 } from "#message";
import { CR, FIELD_VALUE, LF, SP } from "./classes.ts";
import { BAD_STATUS_LINE, BARE_CR, BARE_LF } from "./codes.ts";

/**
 * Reads `HTTP/1.x SP 3DIGIT [SP reason] CR LF` as offsets. The space before an empty reason may be missing, as many
 * servers leave it out. May be left at any byte and continued.
 */
export class StatusLineScanner {
  isDone = false;
  version = HTTP_1_1;
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;
  #state = PREFIX;
  #index = 0; // of the next byte of the fixed part, `HTTP/1.x SP 3DIGIT`

  begin(): void {
    this.isDone = false;
    this.status = 0;
    this.#state = PREFIX;
    this.#index = 0;
  }

  /** Returns where it stopped (`to`, or behind the line with `isDone`) or a code. */
  scan(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && !this.isDone) {
      switch (this.#state) {
        case PREFIX:
          at = this.#prefix(bytes, at, to);
          break;
        case BEFORE_REASON:
          at = this.#beforeReason(bytes, at);
          break;
        case REASON:
          at = this.#reason(bytes, at, to);
          break;
        default:
          if (bytes[at] !== LF) return BARE_CR;
          this.isDone = true;
          at++;
      }
      if (at < 0) return at;
    }
    return at;
  }

  rebase(by: number): void {
    this.reasonStart += by;
    this.reasonEnd += by;
  }

  #prefix(bytes: Uint8Array, at: number, to: number): number {
    for (; at < to; at++) {
      const byte = bytes[at];
      const index = this.#index++;
      if (index === 7) {
        if (byte !== 0x30 && byte !== 0x31) return BAD_STATUS_LINE;
        this.version = byte === 0x31 ? HTTP_1_1 : HTTP_1_0;
      } else if (index < 9) {
        if (byte !== PREFIX_BYTES[index]) return BAD_STATUS_LINE;
      } else {
        if (byte < 0x30 || byte > 0x39 || (index === 9 && byte === 0x30)) return BAD_STATUS_LINE;
        this.status = this.status * 10 + byte - 0x30;
        if (index === 11) {
          this.#state = BEFORE_REASON;
          return at + 1;
        }
      }
    }
    return at;
  }

  #beforeReason(bytes: Uint8Array, at: number): number {
    const hasSpace = bytes[at] === SP;
    if (!hasSpace && bytes[at] !== CR) return bytes[at] === LF ? BARE_LF : BAD_STATUS_LINE;
    this.reasonStart = hasSpace ? at + 1 : at;
    this.#state = REASON;
    return this.reasonStart;
  }

  #reason(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && FIELD_VALUE[bytes[at]] === 1) at++;
    if (at === to) return at;
    if (bytes[at] !== CR) return bytes[at] === LF ? BARE_LF : BAD_STATUS_LINE;
    this.reasonEnd = at;
    this.#state = LINE_LF;
    return at + 1;
  }
}

const PREFIX_BYTES = Buffer.from("HTTP/1.1 ");

const PREFIX = 0;
const BEFORE_REASON = 1;
const REASON = 2;
const LINE_LF = 3;
