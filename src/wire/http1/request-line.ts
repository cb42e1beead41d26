import { HTTP_1_0, HTTP_1_1 } from "#message";
import { CR, LF, SP, TARGET, TOKEN } from "./classes.ts";
import {
  BAD_METHOD,
  BAD_START_LINE,
  BAD_TARGET,
  BARE_CR,
  BARE_LF,
  TARGET_TOO_LONG,
  UNSUPPORTED_VERSION,
} from "./codes.ts";

/**
 * Reads `method SP target SP HTTP/1.x CR LF` as offsets, with one empty line allowed before it (RFC 9112 §2.2).
 * May be left at any byte and continued.
 */
export class RequestLineScanner {
  isDone = false;
  methodStart = 0;
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  version = HTTP_1_1;
  #state = FIRST;
  #versionStart = 0;
  #minor = 0;

  begin(): void {
    this.isDone = false;
    this.#state = FIRST;
  }

  /** Returns where it stopped (`to`, or behind the line with `isDone`) or a code. */
  scan(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && !this.isDone) {
      switch (this.#state) {
        case FIRST:
          at = this.#first(bytes, at);
          break;
        case METHOD:
          at = this.#method(bytes, at, to);
          break;
        case TARGET_PART:
          at = this.#target(bytes, at, to);
          break;
        case VERSION:
          at = this.#version(bytes, at, to);
          break;
        case EMPTY_LF:
          at = bytes[at] === LF ? at + 1 : BARE_CR;
          this.#state = START;
          break;
        case START:
          at = this.#start(bytes, at);
          break;
        default:
          at = this.#lineEnd(bytes, at);
      }
      if (at < 0) return at;
    }
    return at;
  }

  rebase(by: number): void {
    this.methodStart += by;
    this.methodEnd += by;
    this.targetStart += by;
    this.targetEnd += by;
    this.#versionStart += by;
  }

  #first(bytes: Uint8Array, at: number): number {
    if (bytes[at] !== CR) return this.#start(bytes, at);
    this.#state = EMPTY_LF;
    return at + 1;
  }

  #start(bytes: Uint8Array, at: number): number {
    if (TOKEN[bytes[at]] !== 1) return bytes[at] === LF ? BARE_LF : BAD_START_LINE;
    this.methodStart = at;
    this.#state = METHOD;
    return at;
  }

  #method(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && TOKEN[bytes[at]] === 1) at++;
    if (at - this.methodStart > MAX_METHOD_BYTES) return BAD_METHOD;
    if (at === to) return at;
    if (bytes[at] !== SP) return BAD_METHOD;
    this.methodEnd = at;
    this.targetStart = at + 1;
    this.#state = TARGET_PART;
    return at + 1;
  }

  #target(bytes: Uint8Array, at: number, to: number): number {
    while (at < to && TARGET[bytes[at]] === 1) at++;
    if (at - this.targetStart > MAX_TARGET_BYTES) return TARGET_TOO_LONG;
    if (at === to) return at;
    if (bytes[at] !== SP) return bytes[at] === CR || bytes[at] === LF ? BAD_START_LINE : BAD_TARGET;
    if (at === this.targetStart) return BAD_TARGET;
    this.targetEnd = at;
    this.#versionStart = at + 1;
    this.#state = VERSION;
    return at + 1;
  }

  /** `HTTP/1.1`: the letters are case-sensitive (RFC 9112 §2.3); a sound version we do not speak is told apart from nonsense. */
  #version(bytes: Uint8Array, at: number, to: number): number {
    for (; at < to; at++) {
      const index = at - this.#versionStart;
      const byte = bytes[at];
      if (index === 5 || index === 7) {
        if (byte < 0x30 || byte > 0x39) return BAD_START_LINE;
        if (index === 5 && byte !== 0x31) return UNSUPPORTED_VERSION;
        this.#minor = byte - 0x30;
      } else if (byte !== VERSION_BYTES[index]) return BAD_START_LINE;
      if (index === 7) return this.#knownVersion(at + 1);
    }
    return at;
  }

  #knownVersion(at: number): number {
    if (this.#minor > 1) return UNSUPPORTED_VERSION;
    this.version = this.#minor === 1 ? HTTP_1_1 : HTTP_1_0;
    this.#state = LINE_CR;
    return at;
  }

  #lineEnd(bytes: Uint8Array, at: number): number {
    if (this.#state === LINE_CR) {
      if (bytes[at] !== CR) return bytes[at] === LF ? BARE_LF : BAD_START_LINE;
      this.#state = LINE_LF;
      return at + 1;
    }
    if (bytes[at] !== LF) return BARE_CR;
    this.isDone = true;
    return at + 1;
  }
}

const VERSION_BYTES = Buffer.from("HTTP/1.1");
/** The longest registered method is UPDATEREDIRECTREF (17). */
const MAX_METHOD_BYTES = 32;
/** RFC 9112 §3 asks for 8,000 at least; others stop at 8 to 64 KiB. */
const MAX_TARGET_BYTES = 32 * 1024;

const FIRST = 0;
const EMPTY_LF = 1;
const START = 2;
const METHOD = 3;
const TARGET_PART = 4;
const VERSION = 5;
const LINE_CR = 6;
const LINE_LF = 7;
