/**
 * What gRPC puts into HTTP/2 messages: length-prefixed messages, statuses, timeouts, percent-encoded text. No calls and
 * no connections; message compression is not spoken.
 * Read: message-reader.ts, status.ts, status-message.ts, timeout.ts.
 */
export {
  frameMessage,
  MESSAGE_BAD_FLAG,
  MESSAGE_COMPRESSED,
  MESSAGE_TOO_LARGE,
  MESSAGES_OK,
  MessageReader,
  type MessageTaker,
} from "./message-reader.ts";
export { GRPC_STATUS, type GrpcCode, grpcCodeName, parseStatus, statusOfHttp, statusOfReset } from "./status.ts";
export { decodeStatusMessage, encodeStatusMessage } from "./status-message.ts";
export { formatTimeout, parseTimeout } from "./timeout.ts";
