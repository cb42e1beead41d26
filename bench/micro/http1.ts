/**
 * What the HTTP/1 codec costs per message, without sockets: reading a head, writing it, and both with hop-by-hop removal and
 * an added line, as a relay does. `bun bench/micro/http1.ts`. Medians of several rounds; compare within one run only.
 */
import { HeaderLine } from "#fields";
import { RequestReader, ResponseReader, removeHopByHop, writeChunk, writeRequestHead, writeResponseHead } from "#http1";
import { HTTP_1_1 } from "#message";
import { OutputBuffer } from "#output";

const SMALL = head(8);
const LARGE = head(22);
const RESPONSE = Buffer.from(
  "HTTP/1.1 200 OK\r\nServer: app\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\nhello, world",
);
const CHUNKED = Buffer.from(
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"10\r\n0123456789abcdef\r\n".repeat(64)}0\r\n\r\n`,
);

const ADDED = [new HeaderLine("l5d-client-id", "web.shop.serviceaccount.identity.linkerd.cluster.local")];
const out = new OutputBuffer();

const parser = new RequestReader({ request() {}, body() {}, requestEnd: () => parser.next() });
const relay: RequestReader = new RequestReader({
  request(message) {
    removeHopByHop(message.fields);
    writeRequestHead(out, message, ADDED);
  },
  body() {},
  requestEnd: () => relay.next(),
});
const responses: ResponseReader = new ResponseReader({
  response(message) {
    removeHopByHop(message.fields);
    writeResponseHead(out, message, [], HTTP_1_1, 0);
  },
  body: (chunk, from, to) => out.appendRange(chunk, from, to),
  responseEnd() {},
});
const chunks: ResponseReader = new ResponseReader({
  response() {},
  body: (chunk, from, to) => writeChunk(out, chunk, from, to),
  responseEnd() {},
});

measure(`read a request head of ${SMALL.length} bytes`, () => parser.read(SMALL, 0));
measure(`read a request head of ${LARGE.length} bytes`, () => parser.read(LARGE, 0));
measure(`read, strip, add, write a request of ${SMALL.length} bytes`, () => {
  relay.read(SMALL, 0);
  out.clear();
});
measure(`read, strip, add, write a request of ${LARGE.length} bytes`, () => {
  relay.read(LARGE, 0);
  out.clear();
});
measure(`read, strip, write a response of ${RESPONSE.length} bytes`, () => {
  responses.expect("GET", false);
  responses.read(RESPONSE, 0);
  out.clear();
});
measure(`read and write a response of 64 chunks of 16 bytes`, () => {
  chunks.expect("GET", false);
  chunks.read(CHUNKED, 0);
  out.clear();
});

function measure(name: string, run: () => void): void {
  const rounds: number[] = [];
  for (let i = 0; i < 50_000; i++) run();
  for (let round = 0; round < 9; round++) {
    const started = Bun.nanoseconds();
    for (let i = 0; i < 50_000; i++) run();
    rounds.push((Bun.nanoseconds() - started) / 50_000);
  }
  rounds.sort((a, b) => a - b);
  const [least, median, most] = [rounds[0], rounds[4], rounds[8]].map((ns) => Math.round(ns));
  process.stdout.write(`${name.padEnd(62)} ${median} ns (${least} to ${most})\n`);
}

/** A request as browsers send it, with so many fields. */
function head(fieldCount: number): Buffer {
  const fields = [
    "Host: web.example.com",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9",
    "Accept-Encoding: gzip, deflate, br",
    "Accept-Language: en-US,en;q=0.5",
    "Connection: keep-alive",
    "Cookie: session=0123456789abcdef",
    "X-Request-Id: 7b0e2a9c-4c8e",
    ...Array.from({ length: Math.max(0, fieldCount - 8) }, (_, i) => `X-Another-Field-${i}: some value ${i}`),
  ];
  return Buffer.from(`GET /api/items?id=1234 HTTP/1.1\r\n${fields.slice(0, fieldCount).join("\r\n")}\r\n\r\n`);
}
