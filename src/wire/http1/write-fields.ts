import { type Fields, type HeaderLine, STRIDE } from "#fields";
import type { OutputBuffer } from "#output";
import { COLON, CR, FIELD_VALUE, LF, SP, TOKEN } from "./classes.ts";

/**
 * Writes the fields that are neither removed nor skipped by id. Lines that stand one after another in the source, as they do
 * when an HTTP/1 head was read, are copied as one range; fields from HTTP/2 are written one by one.
 * False when a field cannot be said in HTTP/1 (a control character in its value): nothing must be sent then.
 */
export function writeFields(out: OutputBuffer, fields: Fields, skipped: Uint8Array): boolean {
  const { at, bytes, count } = fields;
  let runStart = 0;
  let runEnd = 0;
  let hasCookies = false;
  for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
    const id = at[offset];
    if (id < 0 || skipped[id] === 1) continue;
    const nameStart = at[offset + 1];
    if (isLine(bytes, at, offset)) {
      if (nameStart !== runEnd) {
        out.appendRange(bytes, runStart, runEnd);
        runStart = nameStart;
      }
      runEnd = at[offset + 4] + 2;
      continue;
    }
    out.appendRange(bytes, runStart, runEnd);
    runStart = runEnd = 0;
    if (id === 0 && isCookie(bytes, nameStart, at[offset + 2])) {
      if (!hasCookies && !writeCookies(out, fields)) return false;
      hasCookies = true;
    } else if (!writeField(out, bytes, at, offset)) return false;
  }
  out.appendRange(bytes, runStart, runEnd);
  return true;
}

/** Writes the lines that the proxy adds. */
export function writeLines(out: OutputBuffer, lines: readonly HeaderLine[]): void {
  for (let i = 0; i < lines.length; i++) out.append(lines[i].http1);
}

/** True when the source holds this field as `name: value CR LF` or `name:value CR LF`, whatever it was read from. */
function isLine(bytes: Uint8Array, at: Int32Array, offset: number): boolean {
  const nameEnd = at[offset + 2];
  const gap = at[offset + 3] - nameEnd;
  const valueEnd = at[offset + 4];
  return (
    bytes[nameEnd] === COLON &&
    (gap === 1 || (gap === 2 && bytes[nameEnd + 1] === SP)) &&
    bytes[valueEnd] === CR &&
    bytes[valueEnd + 1] === LF
  );
}

function writeField(out: OutputBuffer, bytes: Uint8Array, at: Int32Array, offset: number): boolean {
  if (!isName(bytes, at[offset + 1], at[offset + 2]) || !isValue(bytes, at[offset + 3], at[offset + 4])) return false;
  out.appendRange(bytes, at[offset + 1], at[offset + 2]);
  out.append(COLON_SP);
  out.appendRange(bytes, at[offset + 3], at[offset + 4]);
  out.append(CRLF);
  return true;
}

/** RFC 9113 §8.2.3: HTTP/2 may split cookies over several fields; HTTP/1 has one, joined by `; `. */
function writeCookies(out: OutputBuffer, fields: Fields): boolean {
  const { at, bytes, count } = fields;
  let written = 0;
  out.append(COOKIE);
  for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
    if (at[offset] !== 0 || !isCookie(bytes, at[offset + 1], at[offset + 2]) || isLine(bytes, at, offset)) continue;
    if (!isValue(bytes, at[offset + 3], at[offset + 4])) return false;
    if (written++ > 0) out.append(SEMICOLON_SP);
    out.appendRange(bytes, at[offset + 3], at[offset + 4]);
  }
  out.append(CRLF);
  return true;
}

function isCookie(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== COOKIE_NAME.length) return false;
  for (let i = 0; i < COOKIE_NAME.length; i++) if ((bytes[from + i] | 0x20) !== COOKIE_NAME[i]) return false;
  return true;
}

function isName(bytes: Uint8Array, from: number, to: number): boolean {
  if (from === to) return false;
  for (; from < to; from++) if (TOKEN[bytes[from]] === 0) return false;
  return true;
}

function isValue(bytes: Uint8Array, from: number, to: number): boolean {
  for (; from < to; from++) if (FIELD_VALUE[bytes[from]] === 0) return false;
  return true;
}

/** CR LF. */
export const CRLF = Buffer.from("\r\n");
const COLON_SP = Buffer.from(": ");
const SEMICOLON_SP = Buffer.from("; ");
const COOKIE = Buffer.from("cookie: ");
const COOKIE_NAME = Buffer.from("cookie");
