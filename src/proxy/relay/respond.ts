import { type Fields, HeaderLine, knownId } from "#fields";
import { HTTP_2, type RequestHead, ResponseHead } from "#message";
import type { RelayCode, RelayError } from "../errors.ts";

/** What the proxy says to a client when it must answer by itself. */
export interface ErrorResponse {
  readonly head: ResponseHead;
  /** Fields of the response; the head carries none of its own. */
  readonly added: readonly HeaderLine[];
  /** The client's connection is to end after this response. */
  readonly closes: boolean;
}

export interface ErrorResponseOptions {
  /** gRPC clients get status 200 and `grpc-status` instead of an HTTP status. */
  readonly isGrpc: boolean;
  /** Whether the peer may read why (`l5d-proxy-error`, `grpc-message`). */
  readonly emitsDetail: boolean;
  /** Overrides the status that belongs to the error's code. */
  readonly status?: number;
}

/** The one place that turns what went wrong into a status. A body never comes with it. */
export function errorResponse(cause: RelayError, options: ErrorResponseOptions): ErrorResponse {
  const [status, grpcStatus, closes] = ANSWERS[cause.code];
  const head = new ResponseHead();
  head.bodyLength = 0;
  head.status = options.isGrpc ? 200 : (options.status ?? status);
  const added = [NO_CONTENT];
  if (options.isGrpc) added.push(GRPC_TYPE, new HeaderLine("grpc-status", String(grpcStatus)));
  if (options.emitsDetail) {
    const detail = cause.code === "unexpected" ? "unexpected error" : fieldText(cause.message);
    if (options.isGrpc) added.push(new HeaderLine("grpc-message", percentEncoded(detail)));
    added.push(new HeaderLine("l5d-proxy-error", detail));
    if (closes) added.push(PROXY_CLOSE);
  }
  return { head, added, closes };
}

/** True for HTTP/2 requests whose content type begins with `application/grpc`. */
export function isGrpcRequest(head: RequestHead): boolean {
  return head.version === HTTP_2 && beginsWithGrpc(head.fields);
}

/** The gRPC status that stands for an error, for trailers made up when a body breaks off. */
export function grpcStatusOf(cause: RelayError): number {
  return ANSWERS[cause.code][1];
}

function beginsWithGrpc(fields: Fields): boolean {
  const index = fields.find(CONTENT_TYPE);
  return index >= 0 && fields.valueIs(index, "application/grpc", false);
}

/** Text that may stand in a field value: other characters become `?`, and it is cut at a length no client chokes on. */
function fieldText(message: string): string {
  return message
    .slice(0, MAX_DETAIL)
    .replace(/[^\x20-\x7e]/g, "?")
    .trim();
}

/** gRPC over HTTP/2, "Responses": `%` and what is not visible ASCII are percent-encoded; `fieldText` left only `%`. */
function percentEncoded(text: string): string {
  return text.replaceAll("%", "%25");
}

const MAX_DETAIL = 512;
const CONTENT_TYPE = knownId("content-type");
const NO_CONTENT = new HeaderLine("content-length", "0");
const GRPC_TYPE = new HeaderLine("content-type", "application/grpc");
const PROXY_CLOSE = new HeaderLine("l5d-proxy-connection", "close");

/** HTTP/1: no request may follow on this connection. */
export const CONNECTION_CLOSE = new HeaderLine("connection", "close");

/** HTTP status, gRPC status, and whether the client's connection ends. */
const ANSWERS: Readonly<Record<RelayCode, readonly [status: number, grpcStatus: number, closes: boolean]>> = {
  "bad-request": [400, 3, true],
  "bad-response": [502, 14, true],
  "client-gone": [400, 1, true],
  "server-gone": [502, 14, true],
  "connect-refused": [502, 14, true],
  "connect-timeout": [504, 4, true],
  "connect-failed": [502, 14, true],
  "tls-failed": [502, 14, true],
  "stream-reset": [502, 14, true],
  goaway: [502, 14, true],
  "fail-fast": [504, 4, true],
  "load-shed": [503, 14, true],
  "no-endpoints": [503, 14, true],
  "no-route": [404, 5, false],
  unauthorized: [403, 7, false],
  "rate-limited": [429, 8, false],
  "request-timeout": [504, 4, false],
  "response-timeout": [504, 4, false],
  "idle-timeout": [504, 4, false],
  "identity-required": [502, 14, true],
  "policy-invalid": [500, 13, true],
  draining: [503, 14, true],
  "too-large": [431, 8, true],
  unexpected: [500, 13, true],
};
