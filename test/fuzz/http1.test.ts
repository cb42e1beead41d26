import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { requestEvents, responseEvents } from "../support/http1-events.ts";

/**
 * The readers against bytes that are nearly HTTP. `feed` in http1-events throws when a reader reads past its chunk, gives an
 * impossible body range or stops moving; here: nothing throws, and how the bytes are cut changes nothing.
 */
const words = [
  "GET ", "POST ", "HEAD ", "CONNECT ", "/", "/a?b", "http://h/", "h:1", "*", " HTTP/1.1", " HTTP/1.0", "HTTP/1.1 ", "200", " OK", "101", "100", "204", "304",
  "\r\n", "\r\n\r\n", "\n", "\r", " ", "\t", ":", ": ", ",", ";", "\0", "\x7f", "\xe9", "0", "1", "5", "a", "ff", "10000000000000",
  "Host: h\r\n", "Content-Length: 5\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "Connection: Upgrade\r\n",
  "Upgrade: x\r\n", "Expect: 100-continue\r\n", "X: y\r\n", "hello", "5\r\nhello\r\n", "0\r\n\r\n", "0\r\nT: 1\r\n\r\n", "3;e=1\r\nabc\r\n",
  "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
]; // biome-ignore format: a word list reads better in lines

const nearlyHttp = fc
  .array(
    fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...words) },
      { weight: 1, arbitrary: fc.string({ maxLength: 4, unit: "binary-ascii" }) },
    ),
    {
      maxLength: 24,
    },
  )
  .map((parts) => Buffer.from(parts.join(""), "latin1"));
const cutPoints = fc.array(fc.nat(400), { maxLength: 12 });
const limits = { maxHeadBytes: 200, maxFields: 6, maxTrailerBytes: 60, maxChunkOverheadBytes: 40 };
const runs = { numRuns: Number(process.env.FUZZ_RUNS ?? 3000) };

function cut(bytes: Uint8Array, points: readonly number[]): Uint8Array[] {
  const sorted = [0, ...points.filter((point) => point < bytes.length).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

describe("for any bytes and any cuts", () => {
  test("the request reader gives the same events", () => {
    fc.assert(
      fc.property(nearlyHttp, cutPoints, (bytes, points) => {
        expect(requestEvents(cut(bytes, points), limits)).toEqual(requestEvents([bytes], limits));
      }),
      runs,
    );
  });

  test("the response reader gives the same events", () => {
    fc.assert(
      fc.property(
        nearlyHttp,
        cutPoints,
        fc.constantFrom("GET", "HEAD", "CONNECT"),
        fc.boolean(),
        (bytes, points, method, asks) => {
          const methods = [method, "GET"];
          expect(responseEvents(cut(bytes, points), methods, asks, limits)).toEqual(
            responseEvents([bytes], methods, asks, limits),
          );
        },
      ),
      runs,
    );
  });
});
