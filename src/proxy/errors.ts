/**
 * What can go wrong with an exchange, who caused it, and whether it may be tried again.
 * One file (`respond.ts`) turns it into HTTP or gRPC statuses at the rim.
 */
export type RelayCode =
  | "bad-request" // the client's bytes are not the protocol
  | "bad-response" // the server's bytes are not the protocol
  | "client-gone"
  | "server-gone" // closed or reset before the response was complete
  | "connect-refused"
  | "connect-timeout"
  | "connect-failed"
  | "tls-failed" // handshake failed or the peer is not who it should be
  | "stream-reset" // HTTP/2 RST_STREAM; h2Code says which
  | "goaway" // the server went away before processing
  | "fail-fast" // no endpoint was ready in time
  | "load-shed"
  | "no-endpoints"
  | "no-route"
  | "unauthorized"
  | "rate-limited"
  | "request-timeout"
  | "response-timeout"
  | "idle-timeout"
  | "identity-required"
  | "policy-invalid"
  | "draining"
  | "too-large" // a head or a buffer beyond its stated limit
  | "unexpected";

export class RelayError extends Error {
  override readonly name = "RelayError";
  readonly code: RelayCode;
  readonly side: "client" | "server" | "proxy";
  readonly retry: "never" | "if-unsent" | "safe";
  /** The HTTP/2 error code that came or is to be sent; -1 when HTTP/2 has no say. */
  readonly h2Code: number;

  constructor(
    code: RelayCode,
    side: RelayError["side"],
    retry: RelayError["retry"],
    message: string,
    options?: ErrorOptions & { h2Code?: number },
  ) {
    super(message, options);
    this.code = code;
    this.side = side;
    this.retry = retry;
    this.h2Code = options?.h2Code ?? -1;
  }

  /** Whatever was thrown, as a RelayError; our own mistakes become `unexpected`. */
  static from(thrown: unknown): RelayError {
    if (thrown instanceof RelayError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new RelayError("unexpected", "proxy", "never", message, { cause: thrown });
  }
}
