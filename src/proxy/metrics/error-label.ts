import type { RelayError } from "../errors.ts";

/** The `error` label of the error families; undefined for what policy decided, which is counted elsewhere. */
export function errorLabel(cause: RelayError): string | undefined {
  switch (cause.code) {
    case "unauthorized":
    case "no-route":
    case "rate-limited":
      return undefined;
    case "fail-fast":
    case "no-endpoints":
      return "failfast";
    case "load-shed":
      return "loadshed";
    case "identity-required":
      return "identity required";
    case "request-timeout":
    case "response-timeout":
    case "idle-timeout":
      return "response timeout";
    case "connect-refused":
    case "connect-timeout":
    case "connect-failed":
    case "tls-failed":
    case "server-gone":
    case "stream-reset":
    case "goaway":
      return "i/o";
    default:
      return "unexpected";
  }
}
