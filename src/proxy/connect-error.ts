import type { DialError } from "#net/dial";
import { RelayError } from "./errors.ts";

const CODES = {
  refused: "connect-refused",
  timeout: "connect-timeout",
  tls: "tls-failed",
  unreachable: "connect-failed",
} as const;

/** A connection that could not be made, as what went wrong with the exchange. Nothing was sent: another try is safe. */
export function connectError(failure: DialError): RelayError {
  return new RelayError(CODES[failure.kind], "server", "safe", failure.message, { cause: failure });
}
