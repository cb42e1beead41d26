/**
 * HTTP/2 (RFC 9113) connections of both roles without I/O, timers or logging: frames, streams, both flow-control
 * windows, limits against every known flood. No server push, no priorities, no extended CONNECT.
 * Read: connection.ts (from the preface to the end), receiver.ts (what each frame means), stream.ts (states), sender.ts
 * (writing and the peer's windows), head.ts (what makes a message malformed); then what has a rule of its own:
 * frame-rules.ts, header-collector.ts, stream-table.ts, receive-window.ts, faults.ts, flood-guard.ts, budget.ts,
 * closed-ids.ts; last frame-reader.ts, frame.ts, settings.ts, error-code.ts.
 */
export { type BudgetLimit, CHEAP_FRAMES, RESETS } from "./budget.ts";
export { Http2Connection, type Http2Owner } from "./connection.ts";
export * from "./error-code.ts";
export { CLIENT_PREFACE } from "./frame.ts";
export { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from "./settings.ts";
export {
  CONNECTION_LOST,
  Http2Stream,
  NEVER_PROCESSED,
  NEVER_SENT,
  RESET_BY_PEER,
  RESET_BY_RULE,
  STALLED,
  type StreamOwner,
} from "./stream.ts";
