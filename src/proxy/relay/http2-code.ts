import {
  CANCEL,
  CONNECTION_LOST,
  errorName,
  INTERNAL_ERROR,
  NEVER_PROCESSED,
  NEVER_SENT,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  RESET_BY_PEER,
  STALLED,
} from "#http2";
import { RelayError } from "../errors.ts";

/** The RST_STREAM code that stands for an error: the one that came from the other side, else what fits best. */
export function resetCodeOf(cause: RelayError): number {
  if (cause.h2Code > NO_ERROR) return cause.h2Code;
  if (cause.h2Code === NO_ERROR) return CANCEL; // NO_ERROR says "complete", which this message is not
  switch (cause.code) {
    case "client-gone":
    case "request-timeout":
    case "response-timeout":
    case "idle-timeout":
      return CANCEL;
    case "bad-request":
      return PROTOCOL_ERROR;
    case "goaway":
    case "load-shed":
    case "draining":
      return REFUSED_STREAM;
    default:
      return INTERNAL_ERROR;
  }
}

/** Why a client's stream ended early, for whoever handles its request. */
export function clientReset(code: number, origin: number): RelayError {
  if (origin === CONNECTION_LOST) return CLIENT_LOST;
  if (origin === RESET_BY_PEER) {
    return new RelayError("client-gone", "client", "never", `Client reset the stream (${errorName(code)})`, {
      h2Code: code,
    });
  }
  if (origin === STALLED) {
    return new RelayError("client-gone", "client", "never", "Client gave no window for the response for too long");
  }
  const message = `Client broke HTTP/2 on its stream (${errorName(code)})`;
  return new RelayError("bad-request", "client", "never", message, { h2Code: code });
}

/** Why a server's stream ended early, and whether its request may be sent again (RFC 9113 §8.7). */
export function serverReset(code: number, origin: number): RelayError {
  if (origin === NEVER_PROCESSED) {
    return new RelayError("goaway", "server", "safe", "Server went away before it processed the request");
  }
  if (origin === NEVER_SENT) {
    return new RelayError("server-gone", "server", "safe", "Server connection closed before the request was sent");
  }
  if (origin === CONNECTION_LOST) {
    return new RelayError(
      "server-gone",
      "server",
      "never",
      "Server connection closed before the response was complete",
    );
  }
  if (origin === RESET_BY_PEER) {
    const retry = code === REFUSED_STREAM ? "safe" : "never";
    const message = `Server reset the stream (${errorName(code)})`;
    return new RelayError("stream-reset", "server", retry, message, { h2Code: code });
  }
  if (origin === STALLED) {
    return new RelayError("idle-timeout", "server", "never", "Server gave no window for the request for too long");
  }
  const message = `Server broke HTTP/2 on its stream (${errorName(code)})`;
  return new RelayError("bad-response", "server", "never", message, { h2Code: code });
}

/** Shared: one per connection loss would build a stack trace for each of its streams. */
const CLIENT_LOST = new RelayError("client-gone", "client", "never", "Client connection closed", { h2Code: CANCEL });
