import { HeaderLine, knownId } from "#fields";
import { HTTP_1_0, HTTP_1_1, HTTP_2, type RequestHead, type ResponseHead } from "#message";

/**
 * HTTP/1 carried over HTTP/2 between two proxies, as pure edits of heads. The four steps in the order in which one
 * exchange meets them:
 *
 *   outbound  `origProtoRequestLine`   what to add to an HTTP/1 request that goes out on HTTP/2
 *   inbound   `takeOrigProtoRequest`   turns it back into the HTTP/1 request it was
 *   inbound   `origProtoResponseLine`  what to add to the application's response
 *   outbound  `takeOrigProtoResponse`  turns that back
 *
 * Whatever speaks of the HTTP/1 connection (`transfer-encoding`, `connection`, …) is left out by the HTTP/2 encoder.
 */

/** The field to add to a request that came as HTTP/1 and travels as HTTP/2. Null for one that came as HTTP/2. */
export function origProtoRequestLine(head: RequestHead): HeaderLine | null {
  if (head.version === HTTP_2) return null;
  return REQUEST_LINES[head.version === HTTP_1_0 ? 0 : 1][head.isAbsoluteForm ? 1 : 0];
}

/**
 * Inbound: removes the field, always. When it names an HTTP/1 version the head becomes one of that version and this is
 * true; with any other value the request stays HTTP/2. On a request that came as HTTP/1, or from a peer that is no proxy
 * of the mesh (`isFromProxy`), the field has no meaning.
 */
export function takeOrigProtoRequest(head: RequestHead, isFromProxy: boolean): boolean {
  const value = take(head);
  if (value === undefined || !isFromProxy || head.version !== HTTP_2) return false;
  const version = value.startsWith("HTTP/1.1") ? HTTP_1_1 : value.startsWith("HTTP/1.0") ? HTTP_1_0 : HTTP_2;
  if (version === HTTP_2) return false;
  head.version = version;
  if (value === "HTTP/1.1") return true; // no flags
  head.isAbsoluteForm = value
    .split(";")
    .slice(1)
    .some((flag) => flag.trim() === "absolute-form");
  return true;
}

/** Inbound: the field to add to a response to a request that `takeOrigProtoRequest` turned. Null for HTTP/2 responses. */
export function origProtoResponseLine(head: ResponseHead): HeaderLine | null {
  if (head.version === HTTP_2) return null;
  return RESPONSE_LINES[head.version === HTTP_1_0 ? 0 : 1];
}

/** Outbound: removes the field and gives the response the version it names, else that of the request it answers. */
export function takeOrigProtoResponse(head: ResponseHead, requestVersion: number): void {
  const value = take(head);
  if (value === "HTTP/1.1") head.version = HTTP_1_1;
  else if (value === "HTTP/1.0") head.version = HTTP_1_0;
  else head.version = requestVersion;
}

/** Removes every field of this name; the first value, or undefined when there was none. */
function take(head: RequestHead | ResponseHead): string | undefined {
  const { fields } = head;
  let value: string | undefined;
  for (let index = fields.find(ORIG_PROTO); index >= 0; index = fields.find(ORIG_PROTO)) {
    value ??= fields.valueEquals(index, "HTTP/1.1") ? "HTTP/1.1" : fields.value(index); // nearly always: no new string
    fields.remove(index);
  }
  return value;
}

const ORIG_PROTO = knownId("l5d-orig-proto");
const RESPONSE_LINES = [line("HTTP/1.0"), line("HTTP/1.1")];
const REQUEST_LINES = [
  [RESPONSE_LINES[0], line("HTTP/1.0; absolute-form")],
  [RESPONSE_LINES[1], line("HTTP/1.1; absolute-form")],
];

function line(value: string): HeaderLine {
  return new HeaderLine("l5d-orig-proto", value);
}
