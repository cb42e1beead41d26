import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import type { TcpTransport } from "#net/tcp";
import type { Transport } from "#net/transport";
import { ScriptedTransport } from "../../../test/support/scripted-transport.ts";
import { Detection, SILENCE_MS } from "./detect.ts";
import { HeldClient } from "./held-client.ts";

function setup(canDialEarly = true, isStrict = false) {
  const clock = new FakeClock();
  const client = new ScriptedTransport();
  const server = new ScriptedTransport();
  const events: string[] = [];
  let connect: (transport: Transport) => void = () => {};
  const held = new HeldClient(client as unknown as TcpTransport);
  new Detection({
    client: held,
    clock,
    timeoutMs: 10_000,
    isStrict,
    dialEarly: canDialEarly
      ? (connected) => {
          events.push("dialled");
          connect = connected;
          return { cancel: () => void events.push("cancelled") };
        }
      : null,
    decided: (kind, early) =>
      events.push(`${kind}${early ? ` with ${Buffer.concat(early.chunks as Uint8Array[]).toString()}` : ""}`),
  }).start();
  return { clock, client, server, events, connect: () => connect(server) };
}

test("a client that speaks is known by its first bytes", () => {
  for (const [bytes, kind] of [
    ["GET / HTTP/1.1\r\n\r\n", "http1"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"],
    ["*1\r\n$4\r\nPING\r\n", "other"],
  ]) {
    const { client, events } = setup();
    client.feed(bytes);
    expect(events).toEqual([kind]);
    expect(client.isPaused).toBe(true);
  }
});

test("a silent client's server is dialled, and what it says first makes the connection opaque", () => {
  const { clock, events, connect, server } = setup();
  clock.advance(SILENCE_MS);
  connect();
  server.feed("220 ready");
  expect(events).toEqual(["dialled", "other with 220 ready"]);
});

test("a server that begins with HTTP leaves the question to the client", () => {
  for (const greeting of ["\x00\x00\x00\x04\x00\x00\x00\x00\x00", "HTTP/1.1 408 Request Timeout\r\n\r\n"]) {
    const { clock, client, events, connect, server } = setup();
    clock.advance(SILENCE_MS);
    connect();
    server.feed(greeting);
    expect(server.ending).toBe("reset");
    client.feed("GET / HTTP/1.1\r\n\r\n");
    expect(events).toEqual(["dialled", "http1"]);
  }
});

test("a client that speaks HTTP after all does not keep the early connection", () => {
  const { clock, client, events, connect, server } = setup();
  clock.advance(SILENCE_MS);
  connect();
  client.feed("GET / HTTP/1.1\r\n\r\n");
  expect(server.ending).toBe("reset");
  expect(events).toEqual(["dialled", "http1"]);
});

test("where rules could be slipped past, nobody is dialled, and time decides", () => {
  const { clock, events } = setup(false);
  clock.advance(9_999);
  expect(events).toEqual([]);
  clock.advance(1);
  expect(events).toEqual(["other"]);
});

test("a client that goes away takes the dial with it", () => {
  const { clock, client, events } = setup();
  clock.advance(SILENCE_MS);
  client.breakOff("ECONNRESET");
  clock.advance(20_000);
  expect(events).toEqual(["dialled", "cancelled"]);
});

test("a first line that comes in pieces is put together", () => {
  for (const [whole, kind] of [
    ["GET / HTTP/1.1\r\n\r\n", "http1"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"],
  ]) {
    for (let cut = 1; cut < 14; cut++) {
      const { client, events } = setup();
      client.feed(whole.slice(0, cut));
      expect(events).toEqual([]);
      client.feed(whole.slice(cut));
      expect(events).toEqual([kind]);
    }
  }
});

test("where no rule depends on it, a lone word is not waited upon for long", () => {
  const { client, clock, events } = setup();
  client.feed("hello");
  clock.advance(SILENCE_MS);
  expect(events).toEqual(["other"]);
});

test("where rules depend on it, what could be meant as HTTP is never opaque", () => {
  for (const bytes of [
    "GET",
    "GET / HT",
    "\r\nGET / HTTP/1.1\r\n\r\n",
    " GET / HTTP/1.1\r\n\r\n",
    "GET  / HTTP/1.1\r\n\r\n",
    "",
  ]) {
    const { client, clock, events } = setup(false, true);
    if (bytes !== "") client.feed(bytes);
    clock.advance(10_000);
    expect(events).toEqual(["http1"]);
  }
  const { client, events } = setup(false, true);
  client.feed("\x00\x01\x02\x03 binary, twenty bytes");
  expect(events).toEqual(["other"]);
});
