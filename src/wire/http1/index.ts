/**
 * HTTP/1.0 and 1.1 as bytes: readers that turn chunks into calls on a sink, writers that turn heads and bodies into bytes.
 * No sockets, timers, promises or logging; nothing throws on what a peer sent.
 *
 * A security boundary: what two parsers could read differently is refused, and framing is always written anew, so the
 * next reader sees the message we saw. It does not decide what is forwarded, kept alive or answered: `proxy/relay` does.
 *
 * Reading order: request-reader (states, framing) -> request-line, field-scanner (bytes) -> section-reader (cut heads)
 * -> body-reader -> response-reader; write-head, write-fields, write-body; hop-by-hop; codes.
 */
export * from "./codes.ts";
export { removeHopByHop } from "./hop-by-hop.ts";
export { DEFAULT_HTTP1_LIMITS, type Http1Limits } from "./limits.ts";
export { RequestReader, type RequestReaderSink } from "./request-reader.ts";
export { ResponseReader, type ResponseReaderSink } from "./response-reader.ts";
export { isAuthority } from "./target.ts";
export { writeChunk, writeChunkSize, writeLastChunk } from "./write-body.ts";
export {
  BODILESS,
  BODY_NOT_SENT,
  BY_CHUNKS,
  BY_CLOSE,
  BY_LENGTH,
  type Delimiter,
  isSentChunked,
  writeRequestHead,
  writeResponseHead,
} from "./write-head.ts";
