import { type HeaderLine, idOf } from "#fields";
import { HTTP_1_0, LENGTH_UNKNOWN, type RequestHead, type ResponseHead } from "#message";
import type { OutputBuffer } from "#output";
import { FIELD_VALUE, TARGET, TOKEN } from "./classes.ts";
import { ID } from "./ids.ts";
import { isAuthority } from "./target.ts";
import { CRLF, writeFields, writeLines } from "./write-fields.ts";

/**
 * Writes a request head, from whichever HTTP version it was read. Framing fields are ours: `transfer-encoding: chunked` when
 * the length is unknown, else Content-Length; so the bytes behind say what we understood, in one spelling.
 * False when the head cannot be said in HTTP/1 (a space in the path, say): nothing was written then, and nothing may be sent.
 */
export function writeRequestHead(out: OutputBuffer, head: RequestHead, added: readonly HeaderLine[]): boolean {
  const before = out.size;
  if (!writeRequestLine(out, head) || !writeRequestFields(out, head)) {
    out.end = out.start + before;
    return false;
  }
  writeLines(out, added);
  out.append(CRLF);
  return !out.overflowed;
}

/** True when a body of this head goes out in chunks. */
export function isSentChunked(head: RequestHead): boolean {
  return head.bodyLength === LENGTH_UNKNOWN;
}

function writeRequestLine(out: OutputBuffer, head: RequestHead): boolean {
  if (!appendChecked(out, head.method, TOKEN)) return false;
  out.appendByte(0x20);
  if (!writeTarget(out, head)) return false;
  // HTTP/1.0 has no chunks: a body of unknown length makes the request a 1.1 one.
  out.append(head.version === HTTP_1_0 && !isSentChunked(head) ? VERSION_1_0 : VERSION_1_1);
  return true;
}

function writeTarget(out: OutputBuffer, head: RequestHead): boolean {
  if (head.method === "CONNECT") return appendAuthority(out, head.authority);
  if (head.isAbsoluteForm) {
    out.append(head.scheme === "https" ? HTTPS : HTTP);
    if (!appendAuthority(out, head.authority)) return false;
  }
  return appendChecked(out, head.path, TARGET);
}

function writeRequestFields(out: OutputBuffer, head: RequestHead): boolean {
  const { fields } = head;
  if (head.authority !== "" && fields.find(ID.host) < 0) {
    out.append(HOST);
    if (!appendAuthority(out, head.authority)) return false;
    out.append(CRLF);
  }
  if (isSentChunked(head)) {
    if (!writeFields(out, fields, SKIP_BOTH)) return false;
    out.append(CHUNKED_LINE);
    return true;
  }
  if (!writeFields(out, fields, SKIP_CODING)) return false;
  if (head.bodyLength > 0 || (head.bodyLength === 0 && hasContentByNature(head.method)))
    writeLength(out, fields, head.bodyLength);
  return true;
}

/** RFC 9110 §8.6: a method that usually has content says so when it has none. */
function hasContentByNature(method: string): boolean {
  return method === "POST" || method === "PUT" || method === "PATCH";
}

/** How a response's end is told. */
export const BY_LENGTH = 0;
export const BY_CHUNKS = 1;
export const BY_CLOSE = 2;
/** 1xx, 204 and 2xx to CONNECT: no body, and no field that speaks of one (RFC 9110 §8.6). */
export const BODILESS = 3;
/** To HEAD, and 304: no body, yet Content-Length may say how long one would be. */
export const BODY_NOT_SENT = 4;
export type Delimiter = typeof BY_LENGTH | typeof BY_CHUNKS | typeof BY_CLOSE | typeof BODILESS | typeof BODY_NOT_SENT;

/**
 * Writes a response head in the client's version (10 or 11), delimited as the caller decided; `connection` says whether
 * the connection stays, where that must be said.
 * False when it cannot be said in HTTP/1: nothing was written then.
 */
export function writeResponseHead(
  out: OutputBuffer,
  head: ResponseHead,
  added: readonly HeaderLine[],
  version: number,
  delimiter: Delimiter,
  connection: HeaderLine | null = null,
): boolean {
  const before = out.size;
  if (!writeStatusLine(out, head, version) || !writeFields(out, head.fields, SKIPPED_BY[delimiter])) {
    out.end = out.start + before;
    return false;
  }
  if (delimiter === BY_CHUNKS) out.append(CHUNKED_LINE);
  else if (delimiter === BY_LENGTH) writeLength(out, head.fields, head.bodyLength, added);
  writeLines(out, added);
  if (connection !== null) out.append(connection.http1);
  out.append(CRLF);
  return !out.overflowed;
}

function writeStatusLine(out: OutputBuffer, head: ResponseHead, version: number): boolean {
  const prefix = version === HTTP_1_0 ? "HTTP/1.0" : "HTTP/1.1";
  if (version !== HTTP_1_0 && head.status === 200 && (head.reason === "" || head.reason === "OK")) {
    out.append(STATUS_200);
    return true;
  }
  if (!Number.isInteger(head.status) || head.status < 100 || head.status > 999) return false;
  out.appendLatin1(`${prefix} ${head.status} `);
  if (!appendChecked(out, head.reason || (REASONS[head.status] ?? ""), FIELD_VALUE, true)) return false;
  out.append(CRLF);
  return true;
}

/** Content-Length, unless a field or an added line says it. */
function writeLength(
  out: OutputBuffer,
  fields: RequestHead["fields"],
  length: number,
  added: readonly HeaderLine[] = NO_LINES,
): void {
  if (fields.find(ID.contentLength) >= 0 || added.some((line) => line.name === "content-length")) return;
  out.append(LENGTH);
  out.appendLatin1(String(length));
  out.append(CRLF);
}

/** `host[:port]` as an authority must look; it may come from a peer's `:authority`. */
function appendAuthority(out: OutputBuffer, authority: string): boolean {
  const bytes = Buffer.from(authority, "latin1");
  if (!isAuthority(bytes, 0, bytes.length)) return false;
  out.append(bytes);
  return true;
}

/** Appends text whose every character is allowed; false when one is not, or when there is none. */
function appendChecked(out: OutputBuffer, text: string, allowed: Uint8Array, mayBeEmpty = false): boolean {
  if (text.length === 0) return mayBeEmpty;
  if (!out.reserve(text.length)) return true; // overflowed: the owner sees that and closes
  const { bytes } = out;
  let end = out.end;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || allowed[code] === 0) return false;
    bytes[end++] = code;
  }
  out.end = end;
  return true;
}

function skipping(...names: string[]): Uint8Array {
  const skipped = new Uint8Array(256);
  for (const name of names) skipped[idOf(name)] = 1;
  return skipped;
}

const SKIP_CODING = skipping("transfer-encoding", "http2-settings");
const SKIP_BOTH = skipping("transfer-encoding", "content-length", "http2-settings");
const SKIPPED_BY: readonly Uint8Array[] = [SKIP_CODING, SKIP_BOTH, SKIP_BOTH, SKIP_BOTH, SKIP_CODING];

const NO_LINES: readonly HeaderLine[] = [];
const VERSION_1_1 = Buffer.from(" HTTP/1.1\r\n");
const VERSION_1_0 = Buffer.from(" HTTP/1.0\r\n");
const STATUS_200 = Buffer.from("HTTP/1.1 200 OK\r\n");
const CHUNKED_LINE = Buffer.from("transfer-encoding: chunked\r\n");
const LENGTH = Buffer.from("content-length: ");
const HOST = Buffer.from("host: ");
const HTTP = Buffer.from("http://");
const HTTPS = Buffer.from("https://");

/** RFC 9110 §15 and RFC 6585, for responses that came without a phrase. */
const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  101: "Switching Protocols",
  103: "Early Hints",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  206: "Partial Content",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
  508: "Loop Detected",
};
