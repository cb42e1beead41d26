import { expect, test } from "bun:test";
import { HeaderLine } from "#fields";
import { HTTP_2, RequestHead } from "#message";
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  goAway,
  headers,
  Listener,
  rst,
  settings,
  uint32,
  windowUpdate,
} from "../support/http2-frames.ts";

/** What a client must do with what a server sends, and how both roles send. */
const OK = [[":status", "200"]] as const;
const connectionError = (code: string) => [`GOAWAY 0 ${code}`];
const streamError = (code: string) => [`RST_STREAM 1 ${code}`];

function request(method = "GET", bodyLength = 0): RequestHead {
  return Object.assign(new RequestHead(), { version: HTTP_2, method, path: "/", authority: "a.b", bodyLength });
}

function run(frames: Uint8Array[], method = "GET", bodyLength = 0): { sent: string[]; heard: string[] } {
  const client = Listener.client();
  client.open(request(method, bodyLength));
  client.sent();
  for (const bytes of frames) client.receive(bytes);
  return { sent: client.sent(), heard: client.heard() };
}

test("the client begins with preface, SETTINGS without push, and its window", () => {
  const client = new Listener(false);
  expect(client.sent()).toEqual(["SETTINGS", "WINDOW_UPDATE 0 16711681"]);
});

test.each<[string, string, Uint8Array[], string[]]>([
  ["4.2", "a frame longer than our limit", [data(1, new Uint8Array(16_385))], connectionError("FRAME_SIZE_ERROR")],
  ["5.1", "HEADERS on a stream we never opened", [headers(3, OK)], connectionError("PROTOCOL_ERROR")],
  ["5.1", "HEADERS on an even stream", [headers(2, OK)], connectionError("PROTOCOL_ERROR")],
  ["5.1", "DATA on an idle stream", [data(5, "x")], connectionError("PROTOCOL_ERROR")],
  ["5.1", "RST_STREAM on an idle stream", [rst(3, 8)], connectionError("PROTOCOL_ERROR")],
  ["5.1", "WINDOW_UPDATE on an idle stream", [windowUpdate(3, 1)], connectionError("PROTOCOL_ERROR")],
  ["5.1", "DATA behind the end", [headers(1, OK), data(1, "x")], connectionError("STREAM_CLOSED")],
  ["6.5.2", "ENABLE_PUSH 1 from a server", [settings([2, 1])], connectionError("PROTOCOL_ERROR")],
  ["6.5.2", "INITIAL_WINDOW_SIZE 2^31", [settings([4, 2 ** 31])], connectionError("FLOW_CONTROL_ERROR")],
  ["6.5.2", "MAX_FRAME_SIZE 0", [settings([5, 0])], connectionError("PROTOCOL_ERROR")],
  ["6.7", "PING of 7 bytes", [frame("PING", 0, 0, "00000000000000")], connectionError("FRAME_SIZE_ERROR")],
  ["6.8", "GOAWAY on a stream", [frame("GOAWAY", 0, 1, "0000000000000000")], connectionError("PROTOCOL_ERROR")],
  ["6.9", "WINDOW_UPDATE of 0", [windowUpdate(0, 0)], connectionError("PROTOCOL_ERROR")],
  ["6.10", "CONTINUATION without HEADERS", [frame("CONTINUATION", 4, 1)], connectionError("PROTOCOL_ERROR")],
  [
    "8.4",
    "PUSH_PROMISE",
    [frame("PUSH_PROMISE", 4, 1, Buffer.concat([uint32(2), block([":method", "GET"])]))],
    connectionError("PROTOCOL_ERROR"),
  ],
  ["4.3", "a header block that cannot be read", [frame("HEADERS", 5, 1, "80")], connectionError("COMPRESSION_ERROR")],
  ["8.1", "DATA before the head", [data(1, "x")], streamError("PROTOCOL_ERROR")],
  [
    "8.1",
    "an informational head that ends the stream",
    [headers(1, [[":status", "100"]])],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.1",
    "trailers that do not end the stream",
    [headers(1, OK, 0), headers(1, [["x", "y"]], 0)],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.1", "trailers with :status", [headers(1, OK, 0), headers(1, OK)], streamError("PROTOCOL_ERROR")],
  [
    "8.1.1",
    "a body longer than content-length",
    [headers(1, [...OK, ["content-length", "1"]], 0), data(1, "xx")],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.1.1",
    "a body shorter than content-length",
    [headers(1, [...OK, ["content-length", "3"]], 0), data(1, "xx", END_STREAM)],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.1.1",
    "a content-length without a body",
    [headers(1, [...OK, ["content-length", "3"]])],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.2.1", "an upper-case name", [headers(1, [...OK, ["X", "y"]])], streamError("PROTOCOL_ERROR")],
  [
    "8.2.2",
    "transfer-encoding",
    [headers(1, [...OK, ["transfer-encoding", "chunked"]])],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.3.2", "no :status", [headers(1, [["x", "y"]])], streamError("PROTOCOL_ERROR")],
  ["8.3.2", "a :status of two digits", [headers(1, [[":status", "20"]])], streamError("PROTOCOL_ERROR")],
  ["8.3.2", "a :status of letters", [headers(1, [[":status", "abc"]])], streamError("PROTOCOL_ERROR")],
  ["8.3.2", "a request pseudo-field", [headers(1, [...OK, [":path", "/"]])], streamError("PROTOCOL_ERROR")],
  ["8.6", "101", [headers(1, [[":status", "101"]], 0)], streamError("PROTOCOL_ERROR")],
])("RFC 9113 §%s: %s", (_section, _what, frames, expected) => {
  expect(run(frames).sent).toEqual(expected);
});

test.each<[string, Uint8Array[], string[]]>([
  [
    "a response",
    [headers(1, OK, 0), data(1, "ab"), data(1, "c", END_STREAM)],
    ["response 1 200", "data 1 abc", "end 1"],
  ],
  ["a response without a body", [headers(1, OK)], ["response 1 200", "end 1"]],
  ["trailers", [headers(1, OK, 0), headers(1, [["grpc-status", "0"]])], ["response 1 200", "end 1 grpc-status=0"]],
  [
    "informational heads",
    [
      headers(1, [[":status", "100"]], 0),
      headers(
        1,
        [
          [":status", "103"],
          ["link", "x"],
        ],
        0,
      ),
      headers(1, OK),
    ],
    ["response 1 100", "response 1 103 link=x", "response 1 200", "end 1"],
  ],
  [
    "a response to HEAD with a length",
    [headers(1, [...OK, ["content-length", "9"]])],
    ["response 1 200 content-length=9", "end 1"],
  ],
  [
    "304 with a length",
    [
      headers(1, [
        [":status", "304"],
        ["content-length", "9"],
      ]),
    ],
    ["response 1 304 content-length=9", "end 1"],
  ],
  ["a reset", [headers(1, OK, 0), rst(1, 7)], ["response 1 200", "reset 1 REFUSED_STREAM by peer"]],
])("%s is heard, wherever it is cut", (what, frames, heard) => {
  const method = what.includes("HEAD") ? "HEAD" : "GET";
  expect(run(frames, method).heard).toEqual(heard);
  const whole = Buffer.concat(frames);
  for (let cut = 1; cut < whole.length; cut++) {
    expect(run([whole.subarray(0, cut), whole.subarray(cut)], method).heard).toEqual(heard);
  }
});

test("GOAWAY: streams above its id were never processed, others go on, then the connection is finished", () => {
  const client = Listener.client();
  for (let index = 0; index < 3; index++) client.open(request());
  client.receive(goAway(1, 0));
  expect(client.heard()).toEqual(["reset 3 NO_ERROR never processed", "reset 5 NO_ERROR never processed"]);
  expect(client.connection.capacity).toBe(0);
  client.receive(headers(1, OK));
  expect(client.heard()).toEqual(["response 1 200", "finished", "end 1"]);
});

test("capacity is 100 until SETTINGS, then what the peer says less what is open", () => {
  const client = new Listener(false);
  expect(client.connection.capacity).toBe(100);
  client.receive(settings([3, 2]));
  client.open(request());
  expect(client.connection.capacity).toBe(1);
  client.open(request());
  expect(client.connection.capacity).toBe(0);
  client.receive(headers(1, OK));
  expect(client.connection.capacity).toBe(1);
});

test("capacity is unlimited when SETTINGS do not name it", () => {
  expect(Listener.client().connection.capacity).toBe(2 ** 31 - 1);
});

test("a lost transport tells every stream, and of which nothing was written", () => {
  const client = Listener.client();
  client.open(request());
  client.sent();
  client.open(request());
  client.connection.lost();
  expect(client.heard()).toEqual(["reset 1 NO_ERROR lost", "reset 3 NO_ERROR never sent"]);
});

test("a body goes as far as the stream's window, the connection's window and the frame size let it", () => {
  const client = Listener.client();
  client.receive(settings([4, 20_000]));
  const stream = client.open(request("POST", -1));
  client.sent();
  expect(stream.send(new Uint8Array(30_000), 0, 30_000)).toBe(true);
  expect(client.sent()).toEqual(["DATA 1 16384", "DATA 1 3616"]);
  stream.end(null, HTTP_2);
  client.receive(windowUpdate(1, 4000));
  expect(client.sent()).toEqual(["DATA 1 4000"]);
  client.receive(windowUpdate(1, 100_000));
  expect(client.sent()).toEqual(["DATA 1 6000 END"]);
});

test("the connection's window is shared in turns", () => {
  const client = Listener.client();
  client.receive(settings([4, 1_000_000]));
  const streams = [client.open(request("POST", -1)), client.open(request("POST", -1))];
  client.sent();
  for (const stream of [...streams, streams[0]]) stream.send(new Uint8Array(60_000), 0, 60_000);
  client.sent();
  client.receive(windowUpdate(0, 65_536));
  const ids = client.sent().map((line) => line.split(" ")[1]);
  expect(ids.slice(0, 4)).toEqual(["3", "1", "3", "1"]);
});

test("a producer that was told to stop is woken when its stream's queue is empty", () => {
  const client = Listener.client();
  const stream = client.open(request("POST", -1));
  expect(stream.send(new Uint8Array(150_000), 0, 150_000)).toBe(false);
  client.sent();
  client.receive(windowUpdate(1, 84_464), windowUpdate(0, 84_464));
  client.connection.sender.pump();
  expect(client.heard()).toEqual([]);
  client.receive(windowUpdate(0, 1), windowUpdate(1, 1));
  expect(client.heard()).toEqual(["writable 1"]);
});

test("a lowered INITIAL_WINDOW_SIZE takes windows below zero", () => {
  const client = Listener.client();
  const stream = client.open(request("POST", -1));
  stream.send(new Uint8Array(1000), 0, 1000);
  client.receive(settings([4, 500]));
  client.sent();
  stream.send(new Uint8Array(10), 0, 10);
  client.receive(windowUpdate(1, 500));
  expect(client.sent()).toEqual([]);
  client.receive(windowUpdate(1, 5));
  expect(client.sent()).toEqual(["DATA 1 5"]);
});

test("a last DATA frame that is still unsent carries the end", () => {
  const client = Listener.client();
  const stream = client.open(request("POST", -1));
  stream.send(Buffer.from("abc"), 0, 3);
  stream.end(null, HTTP_2);
  expect(client.sent()).toEqual(["HEADERS 1 :method=POST :path=/ :authority=a.b", "DATA 1 3 END"]);
  const second = client.open(request("POST", -1));
  second.send(Buffer.from("abc"), 0, 3);
  client.sent();
  second.end(null, HTTP_2);
  expect(client.sent()).toEqual(["DATA 3 0 END"]);
});

test("a header block longer than a frame is continued", () => {
  const client = Listener.client();
  const lines = [0, 1, 2].map((index) => new HeaderLine(`x-${index}`, String(index).repeat(15_000)));
  client.connection.open(request(), lines, client.owner(1));
  const { output } = client.connection.sender;
  const server = Listener.server({ headers: { maxListBytes: 60_000, maxFields: 10 } });
  server.receive(output.bytes.slice(output.start, output.end));
  expect(client.sent()).toEqual([expect.stringMatching(/^HEADERS 1 END/), "CONTINUATION 1", "CONTINUATION 1"]);
  const [heard, end] = server.heard();
  expect(heard).toBe(`request 1 GET / a.b ${lines.map((line) => `${line.name}=${line.value}`).join(" ")}`);
  expect(end).toBe("end 1");
});

test("a reader that keeps up is given the full window, one that waits is not", () => {
  const client = Listener.client();
  const stream = client.open(request());
  client.sent();
  client.receive(headers(1, OK, 0), data(1, new Uint8Array(16_384)), data(1, new Uint8Array(16_384)));
  expect(client.sent()).toEqual([`WINDOW_UPDATE 1 ${32_768 + 1_048_576 - 65_535}`]);
  stream.pause();
  for (let index = 0; index < 60; index++) client.receive(data(1, new Uint8Array(16_384)));
  expect(client.sent()).toEqual([]);
  expect(stream.queuedToRead).toBe(60 * 16_384);
  stream.resume();
  expect(client.sent()).toEqual([`WINDOW_UPDATE 1 ${60 * 16_384}`]);
});

test("the server's graceful end: GOAWAY without limit, PING, then GOAWAY with the last id", () => {
  const server = Listener.server();
  server.receive(
    headers(
      1,
      [
        [":method", "POST"],
        [":scheme", "http"],
        [":path", "/"],
      ],
      0,
    ),
  );
  server.connection.drain();
  expect(server.sent()).toEqual(["GOAWAY 2147483647 NO_ERROR", "PING"]);
  server.receive(
    headers(3, [
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/"],
    ]),
  );
  server.receive(frame("PING", 1, 0, Buffer.from("drain-ts")));
  expect(server.sent()).toEqual(["GOAWAY 3 NO_ERROR"]);
  server.receive(
    frame("HEADERS", END_STREAM | END_HEADERS, 5, block([":method", "GET"], [":scheme", "http"], [":path", "/"])),
  );
  server.receive(rst(1, 8), rst(3, 8));
  expect(server.heard().filter((event) => event.startsWith("request") || event === "finished")).toEqual([
    "request 1 POST /",
    "request 3 GET /",
    "finished",
  ]);
});

/** Ticks once a second. */
function tick(side: Listener, seconds: number): void {
  for (let second = 0; second < seconds; second++) side.connection.tick((side.nowMs += 1000));
}

test.each(["server", "client"] as const)("RFC 9113 6.5.3: a %s whose SETTINGS are not acknowledged ends it", (role) => {
  const side = role === "server" ? Listener.server() : Listener.client();
  tick(side, 10);
  expect(side.sent()).toEqual([]);
  tick(side, 1);
  expect(side.sent()).toEqual(["GOAWAY 0 SETTINGS_TIMEOUT"]);
  expect(side.heard()).toEqual(["failed SETTINGS_TIMEOUT"]);
});

test("SETTINGS that were acknowledged late, but in time, are no reason to end anything", () => {
  const client = Listener.client();
  tick(client, 10);
  client.receive(frame("SETTINGS", ACK, 0));
  tick(client, 100);
  expect(client.sent()).toEqual([]);
});

/** A client of a server that has acknowledged everything, with a body under way for which there is no window. */
function stalledClient(streamWindow: number, bytes: number) {
  const client = Listener.client();
  client.receive(frame("SETTINGS", ACK, 0), settings([4, streamWindow]));
  const stream = client.open(request("POST", -1));
  stream.send(new Uint8Array(bytes), 0, bytes);
  client.sent();
  return { client, stream };
}

test("a stream whose bytes find no window for a minute is reset, its owner is told, and the connection goes on", () => {
  const { client } = stalledClient(0, 10);
  const other = client.open(request("GET"));
  client.sent();
  tick(client, 60);
  expect([client.sent(), client.heard()]).toEqual([[], []]);
  tick(client, 1);
  expect([client.sent(), client.heard()]).toEqual([["RST_STREAM 1 CANCEL"], ["reset 1 CANCEL stalled"]]);
  expect([client.connection.isFailed, client.connection.streams.get(3) === other]).toEqual([false, true]);
});

test("a stream that gets a little window now and then is not stalled, nor one that has nothing to send", () => {
  const { client, stream } = stalledClient(0, 10);
  for (let turn = 0; turn < 5; turn++) {
    tick(client, 59);
    client.receive(windowUpdate(1, 1));
  }
  tick(client, 59);
  client.receive(windowUpdate(1, 5)); // the last of it
  client.sent();
  tick(client, 200);
  stream.send(new Uint8Array(10), 0, 10);
  tick(client, 60);
  expect(client.sent()).toEqual([]);
  tick(client, 1);
  expect(client.sent()).toEqual(["RST_STREAM 1 CANCEL"]);
});

test("a connection's window that stays shut stalls its streams, one that grows does not", () => {
  const { client } = stalledClient(200_000, 65_535 + 10_000);
  for (let turn = 0; turn < 5; turn++) {
    tick(client, 59);
    client.receive(windowUpdate(0, 10));
  }
  client.sent();
  tick(client, 60);
  expect(client.sent()).toEqual([]);
  tick(client, 1);
  expect(client.sent()).toEqual(["RST_STREAM 1 CANCEL"]);
});
