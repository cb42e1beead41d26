import { expect, test } from "bun:test";
import { Fields, HeaderLine, idOf } from "#fields";
import { FakeClock } from "#lib/clock";
import { HTTP_1_1, LENGTH_UNKNOWN, RequestHead, ResponseHead } from "#message";
import type { Transport, TransportHandler } from "#net/transport";
import { RelayError } from "../errors.ts";
import type { ClientStream, RequestSink, ResponseSink, ServerStream } from "./exchange.ts";
import { Http2ClientConnection } from "./http2-client.ts";
import { Http2ServerConnection } from "./http2-server.ts";
import { TurnQueue } from "./turn.ts";

/** One end of a pair of transports: what is written waits until the test lets it through. */
class Pipe implements Transport {
  handler!: TransportHandler;
  other!: Pipe;
  waiting: Uint8Array[] = [];
  waitingBytes = 0;
  limit = Number.POSITIVE_INFINITY;
  isOpen = true;

  write(bytes: Uint8Array, from: number, to: number): number {
    if (!this.isOpen) return -1;
    const count = Math.min(to - from, Math.max(0, this.limit - this.waitingBytes));
    if (count > 0) this.waiting.push(bytes.slice(from, from + count));
    this.waitingBytes += count;
    return count;
  }
  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = this.other.isOpen = false;
    this.other.handler.closed(undefined);
  }
  terminate(): void {
    this.close();
  }
  /** Lets everything through to the other end. */
  deliver(): boolean {
    const chunks = this.waiting.splice(0);
    this.waitingBytes = 0;
    for (const chunk of chunks) this.other.handler.data(chunk);
    if (chunks.length > 0) this.handler.drain();
    return chunks.length > 0;
  }
}

class Pair {
  readonly clock = new FakeClock();
  readonly turn = new TurnQueue(() => {});
  readonly near = new Pipe();
  readonly far = new Pipe();
  readonly client: Http2ClientConnection;
  readonly server: Http2ServerConnection;
  readonly gone: string[] = [];
  throws = false;
  exchange: { head: RequestHead; stream: ServerStream } | null = null;

  constructor(keepAlive?: { intervalMs: number; timeoutMs: number; whileIdle: boolean }) {
    this.near.other = this.far;
    this.far.other = this.near;
    const { clock, turn } = this;
    const owner = { available() {}, gone: () => void this.gone.push("gone") };
    this.server = new Http2ServerConnection({
      transport: this.far,
      handler: {
        request: (head, stream) => {
          if (this.throws) throw new Error("our own mistake");
          this.exchange = { head: head.copy(), stream };
        },
      },
      clock,
      turn,
      onClosed: (_connection, cause) => this.gone.push(`server closed ${cause}`),
    });
    this.client = new Http2ClientConnection({ transport: this.near, owner, clock, turn, keepAlive });
    this.settle();
  }

  /** Runs turns and moves bytes until nothing moves. */
  settle(): void {
    do this.turn.runNow();
    while (this.near.deliver() || this.far.deliver());
  }
}

/** Notes what it hears. */
class Notes implements RequestSink, ResponseSink {
  readonly lines: string[] = [];
  bytes = 0;
  takes = true;
  response(head: ResponseHead): void {
    this.lines.push(`response ${head.status} ${head.fields.get("x-app") ?? ""}`.trim());
  }
  body(_chunk: Uint8Array, from: number, to: number): boolean {
    this.bytes += to - from;
    return this.takes;
  }
  end(trailers: Fields | null): void {
    this.lines.push(`end ${trailers?.get("x-sum") ?? ""}`.trim());
  }
  abort(cause: RelayError): void {
    this.lines.push(`abort ${cause.code} ${cause.side} ${cause.retry} ${cause.h2Code}`);
  }
  resumeRequest(): void {
    this.lines.push("resume request");
  }
  resumeResponse(): void {
    this.lines.push("resume response");
  }
}

function fields(lines: [string, string][]): Fields {
  const made = new Fields();
  made.bytes = Buffer.from(lines.map(([name, value]) => name + value).join(""));
  let at = 0;
  for (const [name, value] of lines) {
    const nameEnd = at + name.length;
    made.push(idOf(name.toLowerCase()), at, nameEnd, nameEnd, nameEnd + value.length, null);
    at = nameEnd + value.length;
  }
  return made;
}

/** A request as the HTTP/1 side would hand it over. */
function http1Request(bodyLength = 0): RequestHead {
  const head = new RequestHead(
    fields([
      ["Host", "a.b"],
      ["Connection", "close"],
      ["X-App", "Yes"],
    ]),
  );
  return Object.assign(head, { version: HTTP_1_1, method: "POST", path: "/p", authority: "a.b", bodyLength });
}

function open(pair: Pair, bodyLength = LENGTH_UNKNOWN): { request: ClientStream; heard: Notes; got: Notes } {
  const heard = new Notes();
  const request = pair.client.open(http1Request(bodyLength), [new HeaderLine("l5d-orig-proto", "HTTP/1.1")], heard);
  pair.settle();
  const got = new Notes();
  pair.exchange!.stream.receive(got);
  pair.settle();
  return { request, heard, got };
}

test("an HTTP/1 exchange travels on HTTP/2, trailers and all", () => {
  const pair = new Pair();
  const { request, heard, got } = open(pair);
  const { head, stream } = pair.exchange!;
  expect([head.method, head.path, head.authority, head.bodyLength]).toEqual(["POST", "/p", "a.b", LENGTH_UNKNOWN]);
  expect(["host", "x-app", "connection", "l5d-orig-proto"].map((name) => head.fields.get(name))).toEqual([
    "a.b",
    "Yes",
    undefined,
    "HTTP/1.1",
  ]);
  request.body(Buffer.from("hello"), 0, 5);
  request.end(fields([["X-Sum", "1"]]));
  pair.settle();
  expect([got.bytes, got.lines]).toEqual([5, ["end 1"]]);
  const answer = Object.assign(
    new ResponseHead(
      fields([
        ["X-App", "Back"],
        ["Keep-Alive", "5"],
      ]),
    ),
    { bodyLength: LENGTH_UNKNOWN },
  );
  stream.respond(answer, []);
  stream.body(Buffer.from("hello"), 0, 5);
  stream.end(fields([["X-Sum", "2"]]));
  pair.settle();
  expect([heard.bytes, heard.lines]).toEqual([5, ["response 200 Back", "end 2"]]);
  expect([pair.client.streamCount, pair.server.streamCount]).toEqual([0, 0]);
});

test("100 streams may be opened before the peer's SETTINGS come, and what waits hears when they have come", () => {
  const told: string[] = [];
  const transport = new Pipe();
  const owner = { available: () => void told.push("available"), gone() {} };
  const client = new Http2ClientConnection({
    transport,
    owner,
    clock: new FakeClock(),
    turn: new TurnQueue(() => {}),
  });
  for (let count = 0; count < 100; count++) {
    expect(client.capacity()).toBe(100 - count);
    client.open(http1Request(), [], new Notes());
  }
  expect([client.capacity(), told]).toEqual([0, []]);
  transport.handler.data(Buffer.from("00000604000000000000030000006e", "hex")); // MAX_CONCURRENT_STREAMS 110
  expect([client.capacity(), told]).toEqual([10, ["available"]]);
});

test("a request whose body the server takes no more of is given up after a minute, and both sides hear why", () => {
  const pair = new Pair();
  const { request, heard, got } = open(pair);
  const { stream } = pair.exchange!;
  stream.pause();
  request.body(new Uint8Array(100_000), 0, 100_000);
  pair.settle();
  for (let second = 0; second <= 60; second++) pair.client.tick(second * 1000);
  pair.settle();
  expect(heard.lines).toEqual(["abort idle-timeout server never -1"]);
  expect(got.lines).toEqual(["abort client-gone client never 8"]);
});

test("of a connection that breaks, requests of which nothing was written may be sent again, others not", () => {
  const pair = new Pair();
  const { heard } = open(pair);
  const unwritten = new Notes();
  pair.client.open(http1Request(), [], unwritten);
  pair.near.handler.closed("ECONNRESET");
  expect(heard.lines).toEqual(["abort server-gone server never -1"]);
  expect(unwritten.lines).toEqual(["abort server-gone server safe -1"]);
});

test("a request that is cut off in the midst of its head was sent", () => {
  const pair = new Pair();
  pair.near.limit = 5;
  const [first, second] = [new Notes(), new Notes()];
  pair.client.open(http1Request(), [], first);
  pair.turn.runNow();
  pair.client.open(http1Request(), [], second);
  pair.near.handler.closed("ECONNRESET");
  expect(first.lines).toEqual(["abort server-gone server never -1"]);
  expect(second.lines).toEqual(["abort server-gone server safe -1"]);
});

test("nothing of a body is lost before somebody receives it", () => {
  const pair = new Pair();
  const request = pair.client.open(http1Request(LENGTH_UNKNOWN), [], new Notes());
  request.body(Buffer.from("early"), 0, 5);
  request.end(null);
  pair.settle();
  const got = new Notes();
  pair.exchange!.stream.receive(got);
  expect([got.bytes, got.lines]).toEqual([5, ["end"]]);
});

test("a client that gives up resets the server's side with CANCEL, also behind its request", () => {
  const pair = new Pair();
  const { request, got } = open(pair, 0);
  request.abort(new RelayError("client-gone", "client", "never", "gone"));
  pair.settle();
  expect(got.lines).toEqual(["end", "abort client-gone client never 8"]);
});

test("a client that gives up before somebody receives is told at once to whoever watches, who sees nothing of its body", () => {
  const pair = new Pair();
  const request = pair.client.open(http1Request(LENGTH_UNKNOWN), [], new Notes());
  request.body(Buffer.from("early"), 0, 5);
  pair.settle();
  const watcher = new Notes();
  pair.exchange!.stream.watch(watcher);
  request.abort(new RelayError("client-gone", "client", "never", "gone"));
  pair.settle();
  expect([watcher.bytes, watcher.lines]).toEqual([0, ["abort client-gone client never 8"]]);
});

test("a client that gives up before somebody receives is told to whoever does", () => {
  const pair = new Pair();
  const request = pair.client.open(http1Request(LENGTH_UNKNOWN), [], new Notes());
  pair.settle();
  request.abort(new RelayError("client-gone", "client", "never", "gone"));
  pair.settle();
  const got = new Notes();
  pair.exchange!.stream.receive(got);
  expect(got.lines).toEqual(["abort client-gone client never 8"]);
});

test.each([
  [new RelayError("stream-reset", "server", "never", "x", { h2Code: 11 }), "abort stream-reset server never 11"],
  [new RelayError("load-shed", "proxy", "safe", "x"), "abort stream-reset server safe 7"],
  [new RelayError("server-gone", "server", "never", "x"), "abort stream-reset server never 2"],
  [new RelayError("response-timeout", "proxy", "never", "x"), "abort stream-reset server never 8"],
])("what went wrong at the server arrives with its code", (cause, expected) => {
  const pair = new Pair();
  const { heard } = open(pair);
  pair.exchange!.stream.abort(cause);
  pair.settle();
  expect(heard.lines).toEqual([expected]);
});

test("a lost connection aborts both sides and is said once", () => {
  const pair = new Pair();
  const { heard, got } = open(pair);
  pair.near.handler.closed("ECONNRESET");
  pair.far.handler.closed("ECONNRESET");
  expect(heard.lines).toEqual(["abort server-gone server never -1"]);
  expect(got.lines).toEqual(["abort client-gone client never 8"]);
  expect(pair.gone).toEqual(["gone", "server closed ECONNRESET"]);
  expect(pair.client.capacity()).toBe(0);
});

test("`closeAfter` lets the exchange finish, then the connection ends", () => {
  const pair = new Pair();
  const { heard, request } = open(pair);
  request.end(null);
  pair.exchange!.stream.closeAfter();
  pair.settle();
  expect(pair.client.capacity()).toBe(0);
  pair.exchange!.stream.respond(Object.assign(new ResponseHead(), { bodyLength: 0 }), []);
  pair.settle();
  expect(heard.lines).toEqual(["response 200", "end"]);
  pair.clock.advance(1000);
  expect(pair.gone).toContain("server closed undefined");
});

test("a reader that stops holds its producer back, and memory stays bounded", () => {
  const pair = new Pair();
  const { heard, got } = open(pair);
  const { stream } = pair.exchange!;
  stream.respond(Object.assign(new ResponseHead(), { bodyLength: LENGTH_UNKNOWN }), []);
  heard.takes = false;
  const chunk = new Uint8Array(16_384);
  let accepted = 0;
  for (let round = 0; round < 200; round++) {
    while (stream.body(chunk, 0, chunk.length)) accepted += chunk.length;
    pair.settle();
    if (!got.lines.includes("resume response")) break;
    got.lines.length = 0;
  }
  // One window of 64 KiB at the reader, 64 KiB and a chunk in the writer's stream.
  expect(accepted).toBeLessThanOrEqual(65_536 * 3);
  expect(heard.bytes).toBeLessThanOrEqual(16_384);
});

test("what a transport does not take waits in the connection, and goes out whole", () => {
  const pair = new Pair();
  const { heard } = open(pair);
  const { stream } = pair.exchange!;
  pair.far.limit = 1000;
  stream.respond(Object.assign(new ResponseHead(), { bodyLength: LENGTH_UNKNOWN }), []);
  stream.body(new Uint8Array(50_000), 0, 50_000);
  stream.end(null);
  pair.settle();
  expect([heard.bytes, heard.lines]).toEqual([50_000, ["response 200", "end"]]);
});

test("keep-alive asks after silence and gives up when nothing comes", () => {
  const pair = new Pair({ intervalMs: 10_000, timeoutMs: 3000, whileIdle: true });
  const tick = (ms: number) => {
    pair.clock.advance(ms);
    pair.client.tick(pair.clock.monotonicMs());
  };
  tick(1000);
  tick(10_000);
  pair.settle(); // answered
  tick(1000);
  tick(12_000);
  expect(pair.gone).toEqual([]);
  pair.turn.runNow();
  pair.near.waiting.length = 0; // lost on the way
  tick(3000);
  expect(pair.gone).toContain("gone");
});

test("a peer that takes no bytes is cut off after a minute, one that takes a few is not", () => {
  for (const takes of [0, 1]) {
    const pair = new Pair();
    open(pair);
    const { stream } = pair.exchange!;
    pair.far.limit = 100;
    stream.respond(Object.assign(new ResponseHead(), { bodyLength: LENGTH_UNKNOWN }), []);
    stream.body(new Uint8Array(50_000), 0, 50_000);
    pair.turn.runNow();
    for (let second = 0; second < 120; second++) {
      pair.clock.advance(1000);
      pair.far.limit += takes;
      if (takes > 0) pair.far.handler.drain();
      pair.near.handler.data(Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])); // it still sends PINGs
      pair.server.tick(pair.clock.monotonicMs());
    }
    expect(pair.gone.includes("server closed the peer takes no bytes")).toBe(takes === 0);
  }
});

test("a handler that throws ends its stream and no other", () => {
  const pair = new Pair();
  const { heard } = open(pair);
  const first = pair.exchange!.stream;
  pair.throws = true;
  const second = open(pair);
  expect(second.heard.lines).toEqual(["abort stream-reset server never 2"]); // INTERNAL_ERROR
  first.respond(Object.assign(new ResponseHead(), { bodyLength: 0 }), []);
  pair.settle();
  expect(heard.lines).toContain("response 200");
});
