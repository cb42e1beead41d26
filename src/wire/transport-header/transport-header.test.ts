import { describe, expect, test } from "bun:test";
import { encodeTransportHeader, readTransportHeader, type TransportHeader } from "./transport-header.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const PREFACE = "transport.l5d.io/v1\r\n\r\n";
const framed = (message: Uint8Array | readonly number[], length = message.length) => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(length);
  return Buffer.concat([Buffer.from(PREFACE), size, Buffer.from(message)]);
};

const headers: TransportHeader[] = [
  { port: 8080, name: "", session: undefined },
  { port: 1, name: "", session: "http1" },
  { port: 65535, name: "", session: "http2" },
  { port: 80, name: "web.shop.svc.cluster.local", session: "http2" },
];

test("the bytes are the preface, a length and the message", () => {
  expect(hex(encodeTransportHeader({ port: 8080, name: "", session: "http2" }))).toBe(
    `${hex(Buffer.from(PREFACE))}00000007${"08903f1a021200"}`,
  );
  expect(PREFACE.length).toBe(23);
});

test("every header comes back, and every true prefix asks for more", () => {
  for (const header of headers) {
    const bytes = encodeTransportHeader(header);
    for (let cut = 0; cut < bytes.length; cut++)
      expect(readTransportHeader(bytes.subarray(0, cut))).toEqual({ kind: "more" });
    const followed = Buffer.concat([bytes, Buffer.from("GET /")]);
    expect(readTransportHeader(followed)).toEqual({ kind: "header", header, byteCount: bytes.length });
  }
});

test("a view into a larger buffer is read where it lies", () => {
  const bytes = encodeTransportHeader(headers[3]);
  const shifted = Buffer.concat([Buffer.alloc(7, 0xff), bytes]).subarray(7);
  expect(readTransportHeader(shifted)).toMatchObject({ kind: "header", header: headers[3] });
});

describe("what is refused", () => {
  const refused = (bytes: Uint8Array, why: RegExp) => {
    const reading = readTransportHeader(bytes);
    expect(reading.kind === "bad" ? reading.why : reading.kind).toMatch(why);
  };
  test("another first byte, at once", () => refused(Buffer.from("G"), /preface/));
  test("another version, at its byte", () => refused(Buffer.from("transport.l5d.io/v2"), /preface/));
  test("a preface without its blank line", () =>
    refused(Buffer.from(PREFACE.replace("\r\n\r\n", "\r\n\r ")), /preface/));
  test("a length beyond the limit, before its bytes come", () => refused(framed([], 65_510), /limit/));
  test("the largest length", () => refused(framed([], 0xffffffff), /limit/));
  test("no port", () => refused(framed([]), /port/));
  test("port 65536", () => refused(framed([0x08, 0x80, 0x80, 0x04]), /port/));
  test("a negative port", () => refused(framed([0x08, ...Array(9).fill(0xff), 0x01]), /port/));
  test("a field that is cut off", () => refused(framed([0x12, 0x05, 0x61]), /protobuf/));
  test("an endless varint", () => refused(framed([0x08, ...Array(12).fill(0xff)]), /protobuf/));
  test("a session protocol that we do not know", () =>
    refused(framed([0x08, 0x50, 0x1a, 0x02, 0x1a, 0x00]), /session/));
  for (const name of ["a b", "a..b", "-a", "a\0", "x".repeat(64), "a/b"]) {
    test(`name ${JSON.stringify(name.slice(0, 8))}`, () =>
      refused(encodeTransportHeader({ port: 80, name, session: undefined }), /name/));
  }
});
