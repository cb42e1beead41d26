/**
 * What the readers answer when a peer's bytes are not HTTP/1.x: negative numbers, so that one return value carries
 * either a position or a code. Every one of them ends the connection: after a framing error nothing that follows can be trusted.
 */
export const BAD_START_LINE = -1;
export const BAD_METHOD = -2;
export const BAD_TARGET = -3;
export const TARGET_TOO_LONG = -4;
export const UNSUPPORTED_VERSION = -5;
export const BAD_STATUS_LINE = -6;
export const BAD_FIELD_NAME = -7;
export const BAD_FIELD_VALUE = -8;
export const BARE_CR = -9;
export const BARE_LF = -10;
export const FOLDED_FIELD = -11;
export const TOO_MANY_FIELDS = -12;
export const HEAD_TOO_LARGE = -13;
export const BAD_HOST = -14;
export const BAD_CONTENT_LENGTH = -15;
export const BAD_TRANSFER_CODING = -16;
export const LENGTH_AND_CODING = -17;
export const BAD_CHUNK_SIZE = -18;
export const BAD_CHUNK_EXTENSION = -19;
export const BAD_CHUNK_END = -20;
export const CHUNK_LINES_TOO_LARGE = -21;
export const TRAILERS_TOO_LARGE = -22;
export const TRUNCATED = -23;
export const UNASKED_RESPONSE = -24;
export const BAD_UPGRADE = -25;

const MEANINGS: readonly (readonly [text: string, status: number])[] = [
  ["no error", 200],
  ["the request line is not `method target HTTP/1.x`", 400],
  ["the method is not a token of 1 to 32 characters", 400],
  ["the request target is not valid for its method", 400],
  ["the request target is longer than the limit", 414],
  ["the HTTP version is not 1.0 or 1.1", 505],
  ["the status line is not `HTTP/1.x status reason`", 502],
  ["a field name is empty, not a token, or followed by a space", 400],
  ["a field value holds a control character", 400],
  ["a CR stands without its LF", 400],
  ["a LF stands without its CR", 400],
  ["a field line begins with white space (folding is obsolete)", 400],
  ["there are more fields than the limit", 431],
  ["the head is larger than the limit", 431],
  ["there is not exactly one valid Host field", 400],
  ["Content-Length is not one plain decimal number", 400],
  ["Transfer-Encoding is not exactly `chunked`", 400],
  ["Content-Length and Transfer-Encoding are both there", 400],
  ["a chunk size is not a hexadecimal number of 1 to 13 digits", 400],
  ["a chunk extension is malformed", 400],
  ["a chunk does not end with CR LF", 400],
  ["chunk sizes and extensions outweigh the data beyond the limit", 400],
  ["the trailers are larger than the limit", 431],
  ["the connection ended before the message was complete", 400],
  ["bytes came that answer no request", 502],
  ["the server switched protocols without being asked", 502],
];

/** What a code means, for logs and `l5d-proxy-error`. Holds nothing the peer sent. */
export function describeCode(code: number): string {
  return MEANINGS[-code]?.[0] ?? "unknown error";
}

/** The status a server answers a request with when its bytes met this code. */
export function statusOf(code: number): number {
  return MEANINGS[-code]?.[1] ?? 400;
}
