/**
 * HPACK (RFC 7541): header lists of HTTP/2 to and from `Fields`, without making strings on the way.
 * Does not know frames or streams, and does not judge whether a message has the pseudo-fields it needs (`#http2` does).
 * Read: entry.ts (what tables hold), header-block.ts (one decoded list, its limits), decoder.ts, encoder.ts; below them
 * static-table.ts, dynamic-table.ts, huffman.ts, known-name.ts, syntax.ts.
 */
export { DEFAULT_TABLE_BYTES, HpackDecoder } from "./decoder.ts";
export { fieldsBound, HpackEncoder, requestBound } from "./encoder.ts";
export {
  NEVER_INDEXED,
  ROLE_AUTHORITY,
  ROLE_METHOD,
  ROLE_PATH,
  ROLE_SCHEME,
  ROLE_STATUS,
} from "./entry.ts";
export { DEFAULT_HEADER_LIMITS, HeaderBlock, type HeaderLimits } from "./header-block.ts";
export { HUFFMAN_CODES } from "./huffman.ts";
export { isAuthority } from "./syntax.ts";
