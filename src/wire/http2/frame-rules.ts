import { FRAME_SIZE_ERROR, PROTOCOL_ERROR } from "./error-code.ts";
import { ACK, GOAWAY, HEADERS, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE } from "./frame.ts";

/** A breach that ends the connection. */
export interface Violation {
  readonly code: number;
  readonly reason: string;
}

/**
 * The rules of RFC 9113 §6 that need no more than a frame's own header: which frames stand on a stream, which on the
 * connection, and how long they are. Null when there is nothing to say.
 */
export function checkFrame(type: number, flags: number, streamId: number, length: number): Violation | null {
  switch (type) {
    case HEADERS:
      return streamId === 0 ? HEADERS_ON_CONNECTION : null;
    case PRIORITY:
      return streamId === 0 ? PRIORITY_ON_CONNECTION : null;
    case RST_STREAM:
      return length === 4 ? null : RST_STREAM_SIZE;
    case SETTINGS:
      if (streamId !== 0) return SETTINGS_ON_STREAM;
      return (flags & ACK) !== 0 && length > 0 ? SETTINGS_ACK_SIZE : null;
    case PUSH_PROMISE:
      return PUSHED;
    case PING:
      if (length !== 8) return PING_SIZE;
      return streamId === 0 ? null : PING_ON_STREAM;
    case GOAWAY:
      if (streamId !== 0) return GOAWAY_ON_STREAM;
      return length < 8 ? GOAWAY_SIZE : null;
    case WINDOW_UPDATE:
      return length === 4 ? null : WINDOW_UPDATE_SIZE;
    default:
      return null;
  }
}

const HEADERS_ON_CONNECTION: Violation = { code: PROTOCOL_ERROR, reason: "HEADERS on stream 0" };
const PRIORITY_ON_CONNECTION: Violation = { code: PROTOCOL_ERROR, reason: "PRIORITY on stream 0" };
const RST_STREAM_SIZE: Violation = { code: FRAME_SIZE_ERROR, reason: "a RST_STREAM that is not 4 bytes" };
const SETTINGS_ON_STREAM: Violation = { code: PROTOCOL_ERROR, reason: "SETTINGS on a stream" };
const SETTINGS_ACK_SIZE: Violation = {
  code: FRAME_SIZE_ERROR,
  reason: "a SETTINGS acknowledgement with a payload",
};
const PUSHED: Violation = { code: PROTOCOL_ERROR, reason: "a PUSH_PROMISE, which nobody allowed" };
const PING_SIZE: Violation = { code: FRAME_SIZE_ERROR, reason: "a PING that is not 8 bytes" };
const PING_ON_STREAM: Violation = { code: PROTOCOL_ERROR, reason: "PING on a stream" };
const GOAWAY_ON_STREAM: Violation = { code: PROTOCOL_ERROR, reason: "GOAWAY on a stream" };
const GOAWAY_SIZE: Violation = { code: FRAME_SIZE_ERROR, reason: "a GOAWAY shorter than 8 bytes" };
const WINDOW_UPDATE_SIZE: Violation = { code: FRAME_SIZE_ERROR, reason: "a WINDOW_UPDATE that is not 4 bytes" };
