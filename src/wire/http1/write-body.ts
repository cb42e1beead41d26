import type { Fields } from "#fields";
import type { OutputBuffer } from "#output";
import { CRLF, writeFields } from "./write-fields.ts";

/** Writes chunk[from, to) as one chunk (RFC 9112 §7.1). Nothing for an empty range: that would end the body. */
export function writeChunk(out: OutputBuffer, chunk: Uint8Array, from: number, to: number): void {
  if (from === to) return;
  writeChunkSize(out, to - from);
  out.appendRange(chunk, from, to);
  out.append(CRLF);
}

/** The size line of a chunk whose bytes, and CR LF, the caller sends itself. */
export function writeChunkSize(out: OutputBuffer, size: number): void {
  if (!out.reserve(MAX_SIZE_LINE)) return;
  const { bytes } = out;
  let at = out.end;
  for (let shift = hexShift(size); shift >= 0; shift -= 4) {
    bytes[at++] = HEX_DIGITS.charCodeAt((size >>> shift) & 15);
  }
  bytes[at++] = 0x0d;
  bytes[at++] = 0x0a;
  out.end = at;
}

/** Ends a chunked body. False when a trailer cannot be said in HTTP/1; the body is then not ended. */
export function writeLastChunk(out: OutputBuffer, trailers: Fields | null): boolean {
  if (trailers === null) {
    out.append(LAST_CHUNK);
    return !out.overflowed;
  }
  const before = out.size;
  out.append(ZERO_LINE);
  if (!writeFields(out, trailers, NONE_SKIPPED)) {
    out.end = out.start + before;
    return false;
  }
  out.append(CRLF);
  return !out.overflowed;
}

function hexShift(size: number): number {
  let shift = 0;
  while (shift < 28 && size >>> shift > 15) shift += 4;
  return shift;
}

const LAST_CHUNK = Buffer.from("0\r\n\r\n");
const ZERO_LINE = Buffer.from("0\r\n");
const NONE_SKIPPED = new Uint8Array(256);
const HEX_DIGITS = "0123456789abcdef";
/** Eight digits (chunks are below 4 GiB) and CR LF. */
const MAX_SIZE_LINE = 10;
