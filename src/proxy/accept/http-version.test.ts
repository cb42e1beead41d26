import { expect, test } from "bun:test";
import { httpVersionOf, isHttp2Settings } from "./http-version.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

test("HTTP is told from other protocols by its first bytes", () => {
  expect(httpVersionOf(bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))).toBe("http1");
  expect(httpVersionOf(bytes("GET / HTTP/1.0\r\n"))).toBe("http1");
  expect(httpVersionOf(bytes("CONNECT a.b:443 HTTP/1.1\r\n"))).toBe("http1");
  expect(httpVersionOf(bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))).toBe("http2");
  expect(httpVersionOf(bytes("SELECT 1 FROM DUAL;"))).toBe("other");
  expect(httpVersionOf(bytes("EHLO mail.example.com\r\n"))).toBe("other");
  expect(httpVersionOf(bytes("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abc"))).toBe("other");
  expect(httpVersionOf(bytes("GET /"))).toBe("other");
  expect(httpVersionOf(bytes(`GET /${"a".repeat(2000)}`))).toBe("http1");
});

test("a SETTINGS frame from the server means HTTP/2", () => {
  expect(isHttp2Settings(Buffer.from("000000040000000000", "hex"))).toBe(true);
  expect(isHttp2Settings(Buffer.from("00000604000000000000030000007f", "hex"))).toBe(true);
  expect(isHttp2Settings(bytes("220 mail.example.com ESMTP\r\n"))).toBe(false);
});
