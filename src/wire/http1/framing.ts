import { isTextAnyCase } from "#latin1";
import { HTTP_1_1 } from "#message";
import { COMMA, HTAB, SP } from "./classes.ts";
import { BAD_CONTENT_LENGTH, BAD_TRANSFER_CODING } from "./codes.ts";

/** No Content-Length seen yet. */
export const NO_LENGTH = -1;

/**
 * One Content-Length value joined with those before it: the number, or a code. Only plain decimals without sign, list
 * or leading zero, up to 2^53 - 1: other spellings are read differently by different servers (RFC 9112 §6.3).
 */
export function joinLength(bytes: Uint8Array, from: number, to: number, before: number): number {
  const digits = to - from;
  if (digits < 1 || digits > 15 || (digits > 1 && bytes[from] === 0x30)) return BAD_CONTENT_LENGTH;
  let length = 0;
  for (; from < to; from++) {
    const digit = bytes[from] - 0x30;
    if (digit < 0 || digit > 9) return BAD_CONTENT_LENGTH;
    length = length * 10 + digit;
  }
  return before === NO_LENGTH || before === length ? length : BAD_CONTENT_LENGTH;
}

/** 0 when the value is exactly `chunked`, alone, in HTTP/1.1; else a code. `seen` counts earlier Transfer-Encoding fields. */
export function isChunked(bytes: Uint8Array, from: number, to: number, version: number, seen: number): number {
  return seen === 0 && version === HTTP_1_1 && isTextAnyCase(bytes, from, to, "chunked") ? 0 : BAD_TRANSFER_CODING;
}

/** What the Connection fields of one message ask for. */
export class ConnectionOptions {
  hasClose = false;
  hasKeepAlive = false;
  hasUpgrade = false;
  #count = 0;

  clear(): void {
    this.#count = 0;
    this.hasClose = false;
    this.hasKeepAlive = false;
    this.hasUpgrade = false;
  }

  /** False when there are more options than any honest message has: each of them names fields to search for. */
  add(bytes: Uint8Array, from: number, to: number): boolean {
    for (let at = from; at < to; ) {
      if (++this.#count > MAX_OPTIONS) return false;
      const end = optionEnd(bytes, at, to);
      const start = skipSpace(bytes, at, end);
      const trimmed = trimSpace(bytes, start, end);
      if (isTextAnyCase(bytes, start, trimmed, "close")) this.hasClose = true;
      else if (isTextAnyCase(bytes, start, trimmed, "keep-alive")) this.hasKeepAlive = true;
      else if (isTextAnyCase(bytes, start, trimmed, "upgrade")) this.hasUpgrade = true;
      at = end + 1;
    }
    return true;
  }
}

const MAX_OPTIONS = 32;

/** Where the list element that begins at `at` ends: at a comma or the end. */
export function optionEnd(bytes: Uint8Array, at: number, to: number): number {
  while (at < to && bytes[at] !== COMMA) at++;
  return at;
}

export function skipSpace(bytes: Uint8Array, at: number, to: number): number {
  while (at < to && (bytes[at] === SP || bytes[at] === HTAB)) at++;
  return at;
}

export function trimSpace(bytes: Uint8Array, from: number, to: number): number {
  while (to > from && (bytes[to - 1] === SP || bytes[to - 1] === HTAB)) to--;
  return to;
}
