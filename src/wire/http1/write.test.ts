import { describe, expect, test } from "bun:test";
import { Fields, HeaderLine, idOf } from "#fields";
import { HTTP_1_0, HTTP_1_1, HTTP_2, LENGTH_UNKNOWN, RequestHead, ResponseHead } from "#message";
import { OutputBuffer } from "#output";
import { writeChunk, writeChunkSize, writeLastChunk } from "./write-body.ts";
import {
  BODILESS,
  BODY_NOT_SENT,
  BY_CHUNKS,
  BY_CLOSE,
  BY_LENGTH,
  type Delimiter,
  writeRequestHead,
  writeResponseHead,
} from "./write-head.ts";

/** Fields as an HTTP/2 decoder leaves them: names and values somewhere in scratch, no lines. */
function scattered(...pairs: readonly (readonly [name: string, value: string])[]): Fields {
  const fields = new Fields();
  const text = pairs.map(([name, value]) => `${name}${value}`).join("");
  fields.clear(Buffer.from(text, "latin1"));
  let at = 0;
  for (const [name, value] of pairs) {
    fields.push(idOf(name), at, at + name.length, at + name.length, at + name.length + value.length, null);
    at += name.length + value.length;
  }
  return fields;
}

function request(change: Partial<RequestHead>, ...pairs: readonly (readonly [string, string])[]): RequestHead {
  const base = { version: HTTP_2, method: "GET", path: "/", authority: "h:1" };
  return Object.assign(new RequestHead(scattered(...pairs)), base, change);
}

function written(write: (out: OutputBuffer) => boolean): string | false {
  const out = new OutputBuffer();
  out.append(Buffer.from("before|"));
  const isWritten = write(out);
  const text = Buffer.from(out.bytes.subarray(out.start, out.end)).toString("latin1");
  expect(text).toStartWith("before|");
  if (!isWritten) expect(text).toBe("before|");
  return isWritten && text.slice("before|".length);
}

const asked = (head: RequestHead, ...added: HeaderLine[]) => written((out) => writeRequestHead(out, head, added));
const answered = (head: ResponseHead, version: number, delimiter: Delimiter, ...added: HeaderLine[]) =>
  written((out) => writeResponseHead(out, head, added, version, delimiter));
const response = (change: Partial<ResponseHead>, ...pairs: readonly (readonly [string, string])[]) =>
  Object.assign(new ResponseHead(scattered(...pairs)), change);

describe("requests that came over HTTP/2", () => {
  test("get their Host first, from the authority", () => {
    expect(asked(request({}, ["accept", "*/*"]), new HeaderLine("l5d-client-id", "me"))).toBe(
      "GET / HTTP/1.1\r\nhost: h:1\r\naccept: */*\r\nl5d-client-id: me\r\n\r\n",
    );
  });
  test("keep a Host that they carry", () => {
    expect(asked(request({}, ["host", "other"]))).toBe("GET / HTTP/1.1\r\nhost: other\r\n\r\n");
  });
  test("of unknown length go in chunks", () => {
    const head = request({ method: "POST", bodyLength: LENGTH_UNKNOWN }, ["te", "trailers"]);
    expect(asked(head)).toBe("POST / HTTP/1.1\r\nhost: h:1\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n");
  });
  test("of a known length say it, whether or not a field did", () => {
    expect(asked(request({ method: "POST", bodyLength: 12 }))).toEndWith("content-length: 12\r\n\r\n");
    expect(asked(request({ method: "POST", bodyLength: 12 }, ["content-length", "12"]))).toBe(
      "POST / HTTP/1.1\r\nhost: h:1\r\ncontent-length: 12\r\n\r\n",
    );
    expect(asked(request({ method: "POST", bodyLength: 0 }))).toEndWith("content-length: 0\r\n\r\n");
    expect(asked(request({ method: "GET", bodyLength: 0 }))).toBe("GET / HTTP/1.1\r\nhost: h:1\r\n\r\n");
  });
  test("have their cookies joined", () => {
    expect(asked(request({}, ["cookie", "a=1"], ["x", "y"], ["cookie", "b=2"]))).toBe(
      "GET / HTTP/1.1\r\nhost: h:1\r\ncookie: a=1; b=2\r\nx: y\r\n\r\n",
    );
  });
  test("as HTTP/1.0 stay so, unless their length is unknown", () => {
    expect(asked(request({ version: HTTP_1_0 }))).toStartWith("GET / HTTP/1.0\r\n");
    expect(asked(request({ version: HTTP_1_0, method: "POST", bodyLength: LENGTH_UNKNOWN }))).toStartWith(
      "POST / HTTP/1.1\r\n",
    );
  });
  test("with an absolute target keep it", () => {
    expect(asked(request({ isAbsoluteForm: true, scheme: "https", path: "/a?b" }))).toStartWith(
      "GET https://h:1/a?b HTTP/1.1\r\n",
    );
  });
});

describe("injections through HTTP/2 are not written", () => {
  const heads: [name: string, head: RequestHead][] = [
    ["CR LF in a value", request({}, ["x", "a\r\nevil: 1"])],
    ["LF in a value", request({}, ["x", "a\nb"])],
    ["NUL in a value", request({}, ["x", "a\0b"])],
    ["CR LF in a cookie", request({}, ["cookie", "a=1\r\nb: 2"])],
    ["a colon in a name", request({}, ["x: y\r\nz", "1"])],
    ["a space in a name", request({}, ["x y", "1"])],
    ["an empty name", request({}, ["", "1"])],
    ["a space in the path", request({ path: "/ HTTP/1.1\r\nx: y" })],
    ["a tab in the path", request({ path: "/\t" })],
    ["an empty path", request({ path: "" })],
    ["a fragment in the path", request({ path: "/a#b" })],
    ["a character above 255 in the path", request({ path: "/\u0120HTTP/1.1" })],
    ["a space in the method", request({ method: "GET / HTTP/1.1\r\nx:" })],
    ["an empty method", request({ method: "" })],
    ["CR LF in the authority", request({ authority: "h\r\nx: y" })],
    ["a path in the authority", request({ authority: "h/evil" })],
    ["a character that ends in LF in the authority", request({ authority: "h\u010ax" })],
    ["CONNECT without an authority", request({ method: "CONNECT", authority: "", isUpgrade: true })],
  ];
  for (const [name, head] of heads) test(name, () => expect(asked(head)).toBe(false));
  test("CR LF in a response's value", () => {
    expect(answered(response({}, ["x", "a\r\n\r\nevil"]), HTTP_1_1, BY_LENGTH)).toBe(false);
  });
  test("CR LF in a reason", () => expect(answered(response({ reason: "a\r\nb" }), HTTP_1_1, BY_LENGTH)).toBe(false));
  test("a status that is none", () => {
    for (const status of [0, 99, 1000, 2.5, Number.NaN])
      expect(answered(response({ status }), HTTP_1_1, BY_LENGTH)).toBe(false);
  });
  test("a value that only looks like the end of a line in scratch is written by its offsets", () => {
    const fields = new Fields();
    fields.clear(Buffer.from("x: abc\r\nEVIL"));
    fields.push(0, 0, 1, 3, 6, null);
    expect(asked(Object.assign(new RequestHead(fields), { method: "GET", path: "/", authority: "h" }))).toEndWith(
      "\r\nx: abc\r\n\r\n",
    );
  });
});

describe("responses", () => {
  const fields = [
    ["content-length", "5"],
    ["transfer-encoding", "chunked"],
    ["x", "1"],
  ] as const;
  test("by length", () => {
    expect(answered(response({ bodyLength: 5 }, ...fields), HTTP_1_1, BY_LENGTH)).toBe(
      "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: 1\r\n\r\n",
    );
    expect(answered(response({ bodyLength: 0 }), HTTP_1_1, BY_LENGTH)).toBe(
      "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    );
  });
  test("in chunks, until close, without a body", () => {
    expect(answered(response({}, ...fields), HTTP_1_1, BY_CHUNKS)).toBe(
      "HTTP/1.1 200 OK\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    expect(answered(response({}, ...fields), HTTP_1_0, BY_CLOSE)).toBe("HTTP/1.0 200 OK\r\nx: 1\r\n\r\n");
    expect(answered(response({ status: 204 }, ...fields), HTTP_1_1, BODILESS)).toBe(
      "HTTP/1.1 204 No Content\r\nx: 1\r\n\r\n",
    );
    expect(answered(response({ status: 304 }, ...fields), HTTP_1_1, BODY_NOT_SENT)).toBe(
      "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\nx: 1\r\n\r\n",
    );
  });
  test("keep their reason, or get the registered one", () => {
    expect(answered(response({ status: 418, reason: "I'm a teapot" }), HTTP_1_1, BY_LENGTH)).toStartWith(
      "HTTP/1.1 418 I'm a teapot\r\n",
    );
    expect(answered(response({ status: 503 }), HTTP_1_1, BY_LENGTH)).toStartWith(
      "HTTP/1.1 503 Service Unavailable\r\n",
    );
    expect(answered(response({ status: 799 }), HTTP_1_1, BY_LENGTH)).toStartWith("HTTP/1.1 799 \r\n");
  });
});

describe("chunks", () => {
  const text = (write: (out: OutputBuffer) => void) =>
    written((out) => {
      write(out);
      return true;
    });
  test("sizes are hexadecimal without leading zeros", () => {
    for (const size of [1, 15, 16, 255, 256, 65535, 65536, 1048576, 0x7fffffff]) {
      expect(text((out) => writeChunkSize(out, size))).toBe(`${size.toString(16)}\r\n`);
    }
  });
  test("an empty range writes nothing, for it would end the body", () => {
    expect(text((out) => writeChunk(out, Buffer.from("abc"), 1, 1))).toBe("");
    expect(text((out) => writeChunk(out, Buffer.from("abc"), 1, 3))).toBe("2\r\nbc\r\n");
  });
  test("trailers stand behind the last chunk, and bad ones are not written", () => {
    expect(text((out) => writeLastChunk(out, null))).toBe("0\r\n\r\n");
    expect(text((out) => writeLastChunk(out, scattered(["x", "1"])))).toBe("0\r\nx: 1\r\n\r\n");
    expect(written((out) => writeLastChunk(out, scattered(["x", "1\r\n\r\nGET /"])))).toBe(false);
  });
});
