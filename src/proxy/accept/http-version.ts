/** What a client's first bytes are. */
export type FirstBytes = "http1" | "http2" | "other";

const MIN_BYTES = 14; // Linkerd's proxy decides on no less
const PREFACE = Buffer.from("PRI * HTTP/2.0", "latin1");

/** Tells HTTP from anything else by the first chunk. A request line that is cut off counts when it begins like one. */
export function httpVersionOf(bytes: Uint8Array): FirstBytes {
  if (bytes.length < MIN_BYTES) return "other";
  if (startsWith(bytes, PREFACE)) return "http2";
  return isRequestLine(bytes) ? "http1" : "other";
}

/** Whether bytes that tell nothing yet may turn into HTTP when more come: a request line or preface sent in pieces. */
export function mayBecomeHttp(bytes: Uint8Array): boolean {
  if (bytes.length < PREFACE.length && startsWith(bytes, PREFACE)) return true;
  let at = 0;
  while (at < bytes.length && isMethodByte(bytes[at])) at++;
  if (at === bytes.length) return at > 0 && at <= MAX_METHOD_BYTES;
  return (
    bytes.length < MIN_BYTES && (isRequestLine(bytes) || (bytes[at] === SPACE && at > 0 && at === bytes.length - 1))
  );
}

/** Whether somebody could mean HTTP by this, be it badly: no HTTP server takes a request that does not begin with text. */
export function beginsWithText(bytes: Uint8Array): boolean {
  const byte = bytes[0];
  return (byte >= SPACE && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d);
}

/** An HTTP/2 server may speak first: with its SETTINGS frame (RFC 9113 §3.4), type 4 on stream 0. */
export function isHttp2Settings(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[3] !== 4 || bytes[4] !== 0) return false;
  const length = (bytes[0] << 16) | (bytes[1] << 8) | bytes[2];
  return length % 6 === 0 && length <= 6 * 64 && bytes[5] + bytes[6] + bytes[7] + bytes[8] === 0;
}

/** An HTTP/1 server speaks first only to give up on a silent client (408). */
export function isHttp1Response(bytes: Uint8Array): boolean {
  return bytes.length >= RESPONSE.length && startsWith(bytes, RESPONSE);
}

function isRequestLine(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length && isMethodByte(bytes[at])) at++;
  if (at === 0 || at > MAX_METHOD_BYTES || bytes[at] !== SPACE) return false;
  const targetAt = ++at;
  while (at < bytes.length && bytes[at] > SPACE && bytes[at] !== 0x7f) at++;
  if (at === targetAt) return false;
  if (at === bytes.length) return true; // a target longer than the first read
  return startsWith(bytes.subarray(at), VERSION);
}

function isMethodByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a) || byte === 0x2d || byte === 0x5f;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  const count = Math.min(prefix.length, bytes.length);
  for (let i = 0; i < count; i++) if (bytes[i] !== prefix[i]) return false;
  return count > 0;
}

const SPACE = 0x20;
const MAX_METHOD_BYTES = 32;
const RESPONSE = Buffer.from("HTTP/1.", "latin1");
const VERSION = Buffer.from(" HTTP/1.", "latin1");
