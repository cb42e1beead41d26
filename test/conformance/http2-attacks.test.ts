import { expect, test } from "bun:test";
import { Fields } from "#fields";
import { ResponseHead } from "#message";
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GET,
  headers,
  Listener,
  POST,
  rst,
  settings,
  uint32,
  windowUpdate,
} from "../support/http2-frames.ts";

/**
 * Every known way to exhaust an HTTP/2 server, each with the bound that holds. Time stands still unless a test moves it.
 * Of 1000 tokens for cheap frames the first SETTINGS took 20.
 */
const PING = frame("PING", 0, 0, "0102030405060708");

/** Sends `attack(i)` until the connection gives up; how many it took. */
function flood(
  server: Listener,
  attack: (index: number) => Uint8Array,
  limit = 20_000,
): { frames: number; said: string | undefined } {
  for (let index = 0; index < limit; index++) {
    server.receive(attack(index));
    if (server.connection.isFailed) return { frames: index + 1, said: server.sent().at(-1) };
  }
  return { frames: limit, said: undefined };
}

const odd = (index: number) => index * 2 + 1;

test.each<[string, (index: number) => Uint8Array, number]>([
  ["CVE-2019-9511, window updates that carry nothing", () => windowUpdate(0, 1), 981],
  ["CVE-2019-9512, PING", () => PING, 981],
  ["CVE-2019-9513, PRIORITY", (index) => frame("PRIORITY", 0, odd(index), "00000000 10"), 981],
  ["CVE-2019-9515, SETTINGS", () => settings(), 50],
  ["SETTINGS acknowledgements nobody asked for", () => frame("SETTINGS", ACK, 0), 981],
  ["frames of an unknown type", () => frame(0x20, 0, 0, "00"), 981],
  ["RST_STREAM on a closed stream", (index) => (index === 0 ? headers(1, POST, 0) : rst(1, 8)), 983],
  ["CVE-2023-44487, rapid reset", (index) => Buffer.concat([headers(odd(index), GET), rst(odd(index), 8)]), 401],
  ["CVE-2019-9514, requests that are malformed", (index) => headers(odd(index), [...GET, ["connection", "x"]]), 401],
  [
    "CVE-2025-8671, resets provoked by WINDOW_UPDATE of 0",
    (index) => Buffer.concat([headers(odd(index), POST, 0), windowUpdate(odd(index), 0)]),
    401,
  ],
  [
    "CVE-2025-8671, resets provoked by DATA behind the end",
    (index) => Buffer.concat([headers(odd(index), GET), data(odd(index), "x")]),
    401,
  ],
  [
    "CVE-2025-8671, resets provoked by PRIORITY of 4 bytes",
    (index) => frame("PRIORITY", 0, odd(index), "00000000"),
    401,
  ],
  [
    "CVE-2025-8671, resets provoked by window overflow",
    (index) => Buffer.concat([headers(odd(index), POST, 0), windowUpdate(odd(index), 0x7fffffff)]),
    401,
  ],
  ["lists above the limit", (index) => headers(odd(index), [...GET, ["x", "v".repeat(16_300)]]), 400],
])("%s: cut off", (_what, attack, frames) => {
  expect(flood(Listener.server(), attack)).toEqual({
    frames,
    said: expect.stringMatching(/^GOAWAY \d+ ENHANCE_YOUR_CALM$/),
  });
});

test("CVE-2019-9518, empty DATA: cut off", () => {
  const server = Listener.server();
  server.receive(headers(1, POST, 0));
  expect(flood(server, () => data(1, "")).frames).toBe(981);
});

test("streams beyond the limit that are opened again and again: cut off", () => {
  const server = Listener.server({ maxConcurrentStreams: 1 });
  server.receive(headers(1, POST, 0));
  expect(flood(server, (index) => headers(odd(index + 1), POST, 0)).frames).toBe(401);
});

test("CVE-2024-27316 and its family, CONTINUATION without end: cut off before 32 KiB are kept", () => {
  const server = Listener.server();
  server.receive(frame("HEADERS", END_STREAM, 1, block(...GET)));
  expect(flood(server, () => frame("CONTINUATION", 0, 1, new Uint8Array(1024)))).toEqual({
    frames: 32,
    said: "GOAWAY 0 ENHANCE_YOUR_CALM",
  });
});

test("CVE-2019-9518, tiny CONTINUATION frames: cut off", () => {
  for (const payload of ["", "00"]) {
    const server = Listener.server();
    server.receive(frame("HEADERS", END_STREAM, 1, block(...GET)));
    expect(flood(server, () => frame("CONTINUATION", 0, 1, payload)).frames).toBe(99);
  }
});

test("an honest client that cancels half of its requests is not cut off", () => {
  const server = Listener.server();
  for (let index = 0; index < 5000; index++) {
    server.receive(headers(odd(index), GET));
    if (index % 2 === 0) server.receive(rst(odd(index), 8));
    else answer(server, odd(index), new Uint8Array(0));
  }
  expect(server.connection.isFailed).toBe(false);
});

test("time gives back what was spent", () => {
  const server = Listener.server();
  for (let second = 0; second < 20; second++, server.nowMs += 1000) {
    for (let index = 0; index < 450; index++) server.receive(PING);
  }
  expect(server.connection.isFailed).toBe(false);
});

test("CVE-2016-6581 and the bomb of 2026: fields that cost a byte each are bounded by their count", () => {
  const server = Listener.server();
  const bomb = Buffer.concat([block(...GET), Buffer.from("4001610162", "hex"), Buffer.alloc(16_000, 0xbe)]);
  server.receive(frame("HEADERS", END_STREAM | END_HEADERS, 1, bomb));
  expect(server.sent()).toEqual(["HEADERS 1 END :status=431"]);
});

test("CVE-2019-9517, a peer that grants windows but does not read: the output stops at its mark", () => {
  const server = Listener.server();
  server.receive(settings([4, 0x7fffffff]), windowUpdate(0, 0x7fffffff - 65_535));
  for (let index = 0; index < 100; index++) {
    server.receive(headers(odd(index), GET));
    answer(server, odd(index), new Uint8Array(65_536));
  }
  const { sender } = server.connection;
  expect(sender.output.size).toBeLessThan(256 * 1024 + 16_384 + 100 * 64);
  expect(sender.queuedBytes).toBeLessThanOrEqual(100 * 65_536);
});

test("a stream whose window stays closed holds what its producer gave before it was told to stop", () => {
  const server = Listener.server();
  server.receive(settings([4, 0]), headers(1, GET));
  const stream = server.streams.get(1)!;
  stream.respond(okHead(), []);
  const chunk = new Uint8Array(16_384);
  let chunks = 1;
  while (stream.send(chunk, 0, chunk.length)) chunks++;
  expect(chunks).toBe(4);
  expect(stream.queuedToSend).toBe(65_536);
});

test("a stream that nobody reads can be filled with 64 KiB, then its peer breaks the window", () => {
  const server = Listener.server();
  server.receive(headers(1, POST, 0));
  const stream = server.streams.get(1)!;
  stream.pause();
  for (let index = 0; index < 4; index++) server.receive(data(1, new Uint8Array(16_383)));
  expect(stream.queuedToRead).toBe(65_532);
  server.receive(data(1, new Uint8Array(4)));
  expect(server.sent()).toEqual(["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
  expect(stream.queuedToRead).toBe(0);
});

test("bytes of a stream that was reset while unread come back to the connection's window", () => {
  const server = Listener.server({ connectionWindowBytes: 65_535 });
  for (let index = 0; index < 100; index++) {
    server.receive(headers(odd(index), POST, 0));
    server.streams.get(odd(index))!.pause();
    server.receive(data(odd(index), new Uint8Array(16_000)), rst(odd(index), 8));
  }
  expect(server.connection.isFailed).toBe(false);
});

test("padding comes back to both windows", () => {
  const server = Listener.server({ connectionWindowBytes: 65_535 });
  server.receive(headers(1, POST, 0));
  const padded = Buffer.concat([Uint8Array.of(255), Buffer.from("x"), new Uint8Array(255)]);
  for (let index = 0; index < 2000; index++) server.receive(frame("DATA", 8, 1, padded));
  expect(server.connection.isFailed).toBe(false);
  expect(server.heard().at(-1)).toBe("data 1 2000");
});

test("CVE-2026-21714, window overflow: the connection ends and keeps no stream", () => {
  const server = Listener.server();
  server.receive(headers(1, POST, 0), windowUpdate(0, 0x7fffffff));
  expect(server.sent()).toEqual(["GOAWAY 1 FLOW_CONTROL_ERROR"]);
  expect(server.connection.streamCount).toBe(0);
  expect(server.heard().slice(-2)).toEqual(["reset 1 NO_ERROR lost", "failed FLOW_CONTROL_ERROR"]);
});

test("nothing is read behind a connection error", () => {
  const server = Listener.server();
  server.receive(windowUpdate(0, 0), headers(1, GET), PING);
  expect(server.sent()).toEqual(["GOAWAY 0 PROTOCOL_ERROR"]);
  expect(server.heard()).toEqual(["failed PROTOCOL_ERROR"]);
});

test("thousands of requests leave nothing behind", () => {
  const server = Listener.server();
  for (let index = 0; index < 3000; index++) {
    server.receive(headers(odd(index), GET));
    answer(server, odd(index), uint32(index));
    server.sent();
  }
  expect([server.connection.streamCount, server.connection.sender.queuedBytes]).toEqual([0, 0]);
});

function okHead(): ResponseHead {
  return Object.assign(new ResponseHead(new Fields()), { status: 200, bodyLength: -1 });
}

function answer(server: Listener, id: number, body: Uint8Array): void {
  const stream = server.streams.get(id)!;
  stream.respond(okHead(), []);
  stream.send(body, 0, body.length);
  stream.end(null, 20);
}
