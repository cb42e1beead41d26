import { expect, test } from "bun:test";
import {
  ACK,
  block,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GET,
  goAway,
  headers,
  Listener,
  PADDED,
  POST,
  PREFACE,
  PRIORITY_FLAG,
  rst,
  settings,
  uint32,
  windowUpdate,
} from "../support/http2-frames.ts";

/**
 * What a server must do with what a client sends, rule by rule as h2spec tells them. Each case: frames behind the
 * preface, then what was answered. Every case is also run with its bytes cut one by one.
 */
const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const join = (...parts: Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));
const pad = (count: number, body: Uint8Array) => join(Uint8Array.of(count), body, new Uint8Array(count));
const priority = (streamId: number, on: number, weight = 15) =>
  frame("PRIORITY", 0, streamId, join(uint32(on), Uint8Array.of(weight)));
const withGet = (...lines: [string, string][]) => headers(1, [...GET, ...lines]);
const withPost = (...lines: [string, string][]) => headers(1, [...POST, ...lines], 0);
const PING = frame("PING", 0, 0, "0102030405060708");
const OPEN = headers(1, POST, 0);
const ENDED = headers(1, GET);

const connectionError = (code: string, lastId = 0) => [`GOAWAY ${lastId} ${code}`];
const streamError = (code: string, id = 1) => [`RST_STREAM ${id} ${code}`];
const alive = ["PING ACK"];

type Case = [section: string, what: string, frames: Uint8Array[], sent: string[]];

const REFUSED: Case[] = [
  [
    "4.2",
    "DATA longer than our limit",
    [OPEN, data(1, new Uint8Array(16_385))],
    connectionError("FRAME_SIZE_ERROR", 1),
  ],
  [
    "4.2",
    "HEADERS longer than our limit",
    [frame("HEADERS", 5, 1, new Uint8Array(16_385))],
    connectionError("FRAME_SIZE_ERROR"),
  ],
  [
    "4.2",
    "SETTINGS longer than our limit",
    [frame("SETTINGS", 0, 0, new Uint8Array(16_386))],
    connectionError("FRAME_SIZE_ERROR"),
  ],
  ["4.3", "an index that is not in the table", [frame("HEADERS", 5, 1, "fe")], connectionError("COMPRESSION_ERROR")],
  [
    "4.3",
    "PRIORITY inside a header block",
    [frame("HEADERS", 1, 1, block(...GET)), priority(1, 3)],
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "4.3",
    "HEADERS of another stream inside a header block",
    [frame("HEADERS", 1, 1, block(...GET)), headers(3, GET)],
    connectionError("PROTOCOL_ERROR"),
  ],
  ["5.1", "idle: DATA", [data(1, "x", END_STREAM)], connectionError("PROTOCOL_ERROR")],
  ["5.1", "idle: RST_STREAM", [rst(1, 8)], connectionError("PROTOCOL_ERROR")],
  ["5.1", "idle: WINDOW_UPDATE", [windowUpdate(1, 100)], connectionError("PROTOCOL_ERROR")],
  ["5.1", "idle: CONTINUATION", [frame("CONTINUATION", 4, 1, block(...GET))], connectionError("PROTOCOL_ERROR")],
  ["5.1", "half-closed (remote): DATA", [ENDED, data(1, "x", END_STREAM)], streamError("STREAM_CLOSED")],
  ["5.1", "half-closed (remote): HEADERS", [ENDED, headers(1, GET)], streamError("STREAM_CLOSED")],
  [
    "5.1",
    "half-closed (remote): CONTINUATION",
    [ENDED, frame("CONTINUATION", 4, 1, block(...GET))],
    connectionError("PROTOCOL_ERROR", 1),
  ],
  [
    "5.1",
    "closed by RST_STREAM: DATA",
    [OPEN, rst(1, 8), data(1, "x", END_STREAM)],
    connectionError("STREAM_CLOSED", 1),
  ],
  ["5.1", "closed by RST_STREAM: HEADERS", [OPEN, rst(1, 8), headers(1, GET)], connectionError("STREAM_CLOSED", 1)],
  [
    "5.1",
    "closed by RST_STREAM: CONTINUATION",
    [OPEN, rst(1, 8), frame("CONTINUATION", 4, 1, block(...GET))],
    connectionError("PROTOCOL_ERROR", 1),
  ],
  ["5.1.1", "an even stream id", [headers(2, GET)], connectionError("PROTOCOL_ERROR")],
  [
    "5.1.1",
    "a stream id below an earlier one",
    [headers(5, GET), headers(3, GET)],
    connectionError("PROTOCOL_ERROR", 5),
  ],
  [
    "5.3.1",
    "HEADERS that depend on themselves",
    [frame("HEADERS", END_STREAM | END_HEADERS | PRIORITY_FLAG, 1, join(uint32(1), Uint8Array.of(255), block(...GET)))],
    streamError("PROTOCOL_ERROR"),
  ],
  ["5.3.1", "PRIORITY that depends on itself", [priority(2, 2)], streamError("PROTOCOL_ERROR", 2)],
  [
    "5.5",
    "an unknown frame inside a header block",
    [frame("HEADERS", 1, 1, block(...GET)), frame(0x16, 0, 0, "00")],
    connectionError("PROTOCOL_ERROR"),
  ],
  ["6.1", "DATA on stream 0", [data(0, "x")], connectionError("PROTOCOL_ERROR")],
  [
    "6.1",
    "DATA with padding as long as the frame",
    [OPEN, frame("DATA", END_STREAM | PADDED, 1, "05 00000000")],
    connectionError("PROTOCOL_ERROR", 1),
  ],
  ["6.1", "padded DATA of no bytes at all", [OPEN, frame("DATA", PADDED, 1)], connectionError("PROTOCOL_ERROR", 1)],
  ["6.2", "HEADERS on stream 0", [headers(0, GET)], connectionError("PROTOCOL_ERROR")],
  [
    "6.2",
    "HEADERS with padding longer than the frame",
    [frame("HEADERS", END_STREAM | END_HEADERS | PADDED, 1, join(Uint8Array.of(255), block(...GET)))],
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "6.2",
    "padded HEADERS of no bytes at all",
    [frame("HEADERS", END_HEADERS | PADDED, 1)],
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "6.2",
    "HEADERS too short for their priority",
    [frame("HEADERS", END_HEADERS | PRIORITY_FLAG, 1, "00000000")],
    connectionError("PROTOCOL_ERROR"),
  ],
  ["6.3", "PRIORITY on stream 0", [priority(0, 1)], connectionError("PROTOCOL_ERROR")],
  ["6.3", "PRIORITY of 4 bytes", [OPEN, frame("PRIORITY", 0, 1, "00000003")], streamError("FRAME_SIZE_ERROR")],
  ["6.4", "RST_STREAM on stream 0", [rst(0, 8)], connectionError("PROTOCOL_ERROR")],
  ["6.4", "RST_STREAM of 3 bytes", [OPEN, frame("RST_STREAM", 0, 1, "000008")], connectionError("FRAME_SIZE_ERROR", 1)],
  [
    "6.5",
    "a SETTINGS acknowledgement with a payload",
    [frame("SETTINGS", ACK, 0, "000000000000")],
    connectionError("FRAME_SIZE_ERROR"),
  ],
  ["6.5", "SETTINGS on a stream", [frame("SETTINGS", 0, 1)], connectionError("PROTOCOL_ERROR")],
  ["6.5", "SETTINGS of 3 bytes", [frame("SETTINGS", 0, 0, "000000")], connectionError("FRAME_SIZE_ERROR")],
  ["6.5.2", "ENABLE_PUSH 2", [settings([2, 2])], connectionError("PROTOCOL_ERROR")],
  ["6.5.2", "INITIAL_WINDOW_SIZE 2^31", [settings([4, 2 ** 31])], connectionError("FLOW_CONTROL_ERROR")],
  ["6.5.2", "MAX_FRAME_SIZE 16383", [settings([5, 16_383])], connectionError("PROTOCOL_ERROR")],
  ["6.5.2", "MAX_FRAME_SIZE 2^24", [settings([5, 2 ** 24])], connectionError("PROTOCOL_ERROR")],
  ["6.7", "PING on a stream", [frame("PING", 0, 1, "0000000000000000")], connectionError("PROTOCOL_ERROR")],
  ["6.7", "PING of 6 bytes", [frame("PING", 0, 0, "000000000000")], connectionError("FRAME_SIZE_ERROR")],
  ["6.8", "GOAWAY on a stream", [frame("GOAWAY", 0, 1, "0000000000000000")], connectionError("PROTOCOL_ERROR")],
  ["6.8", "GOAWAY of 7 bytes", [frame("GOAWAY", 0, 0, "00000000000000")], connectionError("FRAME_SIZE_ERROR")],
  ["6.9", "WINDOW_UPDATE of 0 on the connection", [windowUpdate(0, 0)], connectionError("PROTOCOL_ERROR")],
  ["6.9", "WINDOW_UPDATE of 0 on a stream", [OPEN, windowUpdate(1, 0)], streamError("PROTOCOL_ERROR")],
  ["6.9", "WINDOW_UPDATE of 3 bytes", [frame("WINDOW_UPDATE", 0, 0, "000001")], connectionError("FRAME_SIZE_ERROR")],
  [
    "6.9.1",
    "a connection window beyond 2^31-1",
    [windowUpdate(0, 0x7fffffff), windowUpdate(0, 0x7fffffff)],
    connectionError("FLOW_CONTROL_ERROR"),
  ],
  ["6.9.1", "a stream window beyond 2^31-1", [OPEN, windowUpdate(1, 0x7fffffff)], streamError("FLOW_CONTROL_ERROR")],
  [
    "6.9.2",
    "SETTINGS that lift a stream window beyond 2^31-1",
    [OPEN, windowUpdate(1, 0x7fffffff - 65_535), settings([4, 65_536])],
    connectionError("FLOW_CONTROL_ERROR", 1),
  ],
  [
    "6.10",
    "CONTINUATION on stream 0",
    [frame("HEADERS", 1, 1, block(...GET)), frame("CONTINUATION", 4, 0)],
    connectionError("PROTOCOL_ERROR"),
  ],
  ["6.10", "CONTINUATION without HEADERS", [ENDED, frame("CONTINUATION", 4, 1)], connectionError("PROTOCOL_ERROR", 1)],
  [
    "6.10",
    "CONTINUATION behind END_HEADERS",
    [OPEN, frame("CONTINUATION", 4, 1)],
    connectionError("PROTOCOL_ERROR", 1),
  ],
  [
    "6.10",
    "CONTINUATION behind the last CONTINUATION",
    [frame("HEADERS", 1, 1, block(...GET)), frame("CONTINUATION", 4, 1), frame("CONTINUATION", 4, 1)],
    connectionError("PROTOCOL_ERROR", 1),
  ],
  [
    "6.10",
    "DATA between HEADERS and CONTINUATION",
    [frame("HEADERS", 0, 1, block(...POST)), data(1, "x")],
    connectionError("PROTOCOL_ERROR"),
  ],
  [
    "8.1",
    "a second HEADERS that does not end the stream",
    [OPEN, headers(1, [["x", "y"]], 0)],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.1", "trailers with a pseudo-field", [OPEN, headers(1, [[":method", "GET"]])], streamError("PROTOCOL_ERROR")],
  [
    "8.1.1",
    "a body longer than content-length",
    [withPost(["content-length", "1"]), data(1, "xx", END_STREAM)],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.1.1",
    "a body shorter than content-length",
    [withPost(["content-length", "3"]), data(1, "xx", END_STREAM)],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.1.1",
    "several DATA longer than content-length",
    [withPost(["content-length", "3"]), data(1, "xx"), data(1, "xx", END_STREAM)],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.1.1", "a content-length without a body", [withGet(["content-length", "3"])], streamError("PROTOCOL_ERROR")],
  [
    "8.1.1",
    "trailers before content-length is reached",
    [withPost(["content-length", "3"]), headers(1, [["x", "y"]])],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.2.1", "an upper-case name", [withGet(["X-Upper", "v"])], streamError("PROTOCOL_ERROR")],
  [
    "8.2.1",
    "an empty name",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("00 00 01 61")))],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.2.1", "CR LF in a value", [withGet(["x", "a\r\nb: c"])], streamError("PROTOCOL_ERROR")],
  ["8.2.2", "connection", [withGet(["connection", "keep-alive"])], streamError("PROTOCOL_ERROR")],
  ["8.2.2", "transfer-encoding", [withPost(["transfer-encoding", "chunked"])], streamError("PROTOCOL_ERROR")],
  ["8.2.2", "TE that is not trailers", [withGet(["te", "trailers, deflate"])], streamError("PROTOCOL_ERROR")],
  ["8.3", "an unknown pseudo-field", [withGet([":test", "ok"])], streamError("PROTOCOL_ERROR")],
  ["8.3", "a response pseudo-field", [withGet([":status", "200"])], streamError("PROTOCOL_ERROR")],
  ["8.3", "a pseudo-field behind a field", [headers(1, [["x", "y"], ...GET])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", "an empty :path", [headers(1, [GET[0], GET[1], [":path", ""], GET[3]])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", "no :method", [headers(1, [GET[1], GET[2], GET[3]])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", "no :scheme", [headers(1, [GET[0], GET[2], GET[3]])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", "no :path", [headers(1, [GET[0], GET[1], GET[3]])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", ":method twice", [headers(1, [GET[0], ...GET])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", ":scheme twice", [headers(1, [GET[1], ...GET])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", ":path twice", [headers(1, [GET[2], ...GET])], streamError("PROTOCOL_ERROR")],
  [
    "8.3.1",
    "a path with a space",
    [headers(1, [GET[0], GET[1], [":path", "/a b"], GET[3]])],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.3.1",
    "a path that does not begin with /",
    [headers(1, [GET[0], GET[1], [":path", "a"], GET[3]])],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.3.1", "* outside OPTIONS", [headers(1, [GET[0], GET[1], [":path", "*"], GET[3]])], streamError("PROTOCOL_ERROR")],
  [
    "8.3.1",
    "a method with a space",
    [headers(1, [[":method", "GET /x"], GET[1], GET[2], GET[3]])],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.3.1",
    "a scheme that is neither http nor https",
    [headers(1, [GET[0], [":scheme", "ftp"], GET[2], GET[3]])],
    streamError("PROTOCOL_ERROR"),
  ],
  [
    "8.3.1",
    "an authority with user information",
    [headers(1, [GET[0], GET[1], GET[2], [":authority", "u@a.b"]])],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.3.1", "a Host that contradicts :authority", [withGet(["host", "c.d"])], streamError("PROTOCOL_ERROR")],
  ["8.3.1", "two Hosts", [withGet(["host", "a.b"], ["host", "a.b"])], streamError("PROTOCOL_ERROR")],
  [
    "8.5",
    "CONNECT with :path",
    [headers(1, [[":method", "CONNECT"], [":path", "/"], GET[3]])],
    streamError("PROTOCOL_ERROR"),
  ],
  ["8.5", "CONNECT without :authority", [headers(1, [[":method", "CONNECT"]])], streamError("PROTOCOL_ERROR")],
  [
    "8.4",
    "PUSH_PROMISE from a client",
    [OPEN, frame("PUSH_PROMISE", 4, 1, join(uint32(2), block(...GET)))],
    connectionError("PROTOCOL_ERROR", 1),
  ],
  [
    "hpack 2.3.3",
    "an indexed field beyond the table",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("c6")))],
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "hpack 2.3.3",
    "a name index beyond the table",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("7f0a 01 61")))],
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "hpack 4.2",
    "a size update behind fields",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("20")))],
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "hpack 5.2",
    "Huffman padding longer than 7 bits",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("00 85f2b24a84ff 84 49509fff")))],
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "hpack 5.2",
    "Huffman padding of zeros",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("00 85f2b24a87ff 83 49509000")))],
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "hpack 5.2",
    "the Huffman end-of-string symbol",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("00 85f2b24a87 84 ffffffff")))],
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "hpack 6.1",
    "index 0",
    [frame("HEADERS", 5, 1, join(block(...GET), hex("80")))],
    connectionError("COMPRESSION_ERROR"),
  ],
  [
    "hpack 6.3",
    "a size update above SETTINGS",
    [frame("HEADERS", 5, 1, join(hex("3fe2ff03"), block(...GET)))],
    connectionError("COMPRESSION_ERROR"),
  ],
];

const TAKEN: Case[] = [
  [
    "2",
    "half-closed (remote): WINDOW_UPDATE, PRIORITY and RST_STREAM",
    [ENDED, windowUpdate(1, 100), priority(1, 3), rst(1, 8), PING],
    alive,
  ],
  [
    "2",
    "closed: PRIORITY, WINDOW_UPDATE and RST_STREAM",
    [OPEN, rst(1, 8), priority(1, 3), windowUpdate(1, 100), rst(1, 8), PING],
    alive,
  ],
  ["4.1", "an unknown frame type", [frame(0x16, 0xff, 0, "0001020304"), PING], alive],
  ["4.1", "unknown flags", [frame("PING", 0x16, 0, "0102030405060708")], alive],
  ["4.1", "the reserved bit", [frame("PING", 0, 0x80000000, "0102030405060708")], alive],
  ["4.2", "DATA of 2^14 bytes", [OPEN, data(1, new Uint8Array(16_384), END_STREAM), PING], alive],
  [
    "5.3",
    "PRIORITY on an idle stream, of weight 1 and 256, and exclusive",
    [priority(3, 1, 0), priority(3, 1, 255), priority(3, 0x80000001), PING],
    alive,
  ],
  ["5.5", "unknown frames", [frame(0x20, 0, 1, "00"), PING], alive],
  ["6.5.2", "a setting nobody knows", [settings([0x1234, 1]), PING], ["SETTINGS ACK", "PING ACK"]],
  [
    "6.5.3",
    "several values of one setting: the last counts",
    [settings([4, 100], [4, 1]), PING],
    ["SETTINGS ACK", "PING ACK"],
  ],
  ["6.7", "PING", [PING], alive],
  ["6.7", "an acknowledgement of no PING", [frame("PING", ACK, 0, "0000000000000000"), PING], alive],
  ["6.8", "GOAWAY while a stream is open", [OPEN, goAway(0, 0), PING], alive],
  ["6.9.1", "stream windows that grow to the very end", [OPEN, windowUpdate(1, 0x7fffffff - 65_535), PING], alive],
  ["7", "an unknown code in GOAWAY", [OPEN, goAway(0, 0xff), PING], alive],
  ["7", "an unknown code in RST_STREAM", [OPEN, rst(1, 0xff), PING], alive],
  [
    "hpack",
    "every representation of a field",
    [
      frame("HEADERS", 5, 1, hex("82 86 84 41 03 612e62 00 03 782d61 01 31 10 03 782d62 01 32 40 03 782d63 01 33 be")),
      PING,
    ],
    alive,
  ],
  ["hpack", "two size updates", [frame("HEADERS", 5, 1, join(hex("20 3fe11f"), block(...GET))), PING], alive],
];

const HEARD: [section: string, what: string, frames: Uint8Array[], heard: string[]][] = [
  ["8.1", "GET", [ENDED], ["request 1 GET / a.b", "end 1"]],
  ["8.1", "HEAD", [headers(1, [[":method", "HEAD"], GET[1], GET[2], GET[3]])], ["request 1 HEAD / a.b", "end 1"]],
  [
    "8.1",
    "POST with DATA in pieces",
    [OPEN, data(1, "ab"), data(1, "cd", END_STREAM)],
    ["request 1 POST / a.b", "data 1 abcd", "end 1"],
  ],
  [
    "8.1",
    "POST with an empty last DATA",
    [OPEN, data(1, "ab"), data(1, "", END_STREAM)],
    ["request 1 POST / a.b", "data 1 ab", "end 1"],
  ],
  [
    "8.1",
    "POST with trailers",
    [OPEN, data(1, "ab"), headers(1, [["x-sum", "1"]])],
    ["request 1 POST / a.b", "data 1 ab", "end 1 x-sum=1"],
  ],
  [
    "6.1",
    "DATA with padding",
    [OPEN, frame("DATA", END_STREAM | PADDED, 1, pad(5, Buffer.from("ab")))],
    ["request 1 POST / a.b", "data 1 ab", "end 1"],
  ],
  [
    "6.1",
    "DATA of nothing but padding",
    [OPEN, frame("DATA", END_STREAM | PADDED, 1, "03 000000")],
    ["request 1 POST / a.b", "end 1"],
  ],
  [
    "6.2",
    "HEADERS with padding",
    [frame("HEADERS", 5 | PADDED, 1, pad(7, block(...GET)))],
    ["request 1 GET / a.b", "end 1"],
  ],
  [
    "6.2",
    "HEADERS with priority",
    [frame("HEADERS", 5 | PRIORITY_FLAG, 1, join(uint32(0x80000003), Uint8Array.of(9), block(...GET)))],
    ["request 1 GET / a.b", "end 1"],
  ],
  [
    "6.2",
    "HEADERS with both",
    [frame("HEADERS", 5 | PADDED | PRIORITY_FLAG, 1, pad(2, join(uint32(0), Uint8Array.of(9), block(...GET))))],
    ["request 1 GET / a.b", "end 1"],
  ],
  [
    "6.4",
    "RST_STREAM",
    [OPEN, data(1, "ab"), rst(1, 8)],
    ["request 1 POST / a.b", "data 1 ab", "reset 1 CANCEL by peer"],
  ],
  [
    "6.10",
    "a header block in pieces",
    [
      frame("HEADERS", 1, 1, block(GET[0])),
      frame("CONTINUATION", 0, 1, block(GET[1], GET[2])),
      frame("CONTINUATION", 4, 1, block(GET[3])),
    ],
    ["request 1 GET / a.b", "end 1"],
  ],
  [
    "8.2.3",
    "cookie crumbs",
    [withGet(["cookie", "a=1"], ["cookie", "b=2"])],
    ["request 1 GET / a.b cookie=a=1; b=2", "end 1"],
  ],
  [
    "8.3.1",
    "OPTIONS *",
    [headers(1, [[":method", "OPTIONS"], GET[1], [":path", "*"], GET[3]])],
    ["request 1 OPTIONS * a.b", "end 1"],
  ],
  [
    "8.3.1",
    "Host instead of :authority",
    [headers(1, [GET[0], GET[1], GET[2], ["host", "c.d"]])],
    ["request 1 GET / c.d host=c.d", "end 1"],
  ],
  [
    "8.3.1",
    "another Host beside l5d-orig-proto",
    [withGet(["host", "c.d"], ["l5d-orig-proto", "HTTP/1.1; absolute-form"])],
    ["request 1 GET / a.b host=c.d l5d-orig-proto=HTTP/1.1; absolute-form", "end 1"],
  ],
  [
    "8.5",
    "CONNECT",
    [
      headers(
        1,
        [
          [":method", "CONNECT"],
          [":authority", "a.b:1"],
        ],
        0,
      ),
      data(1, "x"),
    ],
    ["request 1 CONNECT a.b:1", "data 1 x"],
  ],
  [
    "8.1.1",
    "a body of exactly content-length",
    [withPost(["content-length", "4"]), data(1, "ab"), data(1, "cd", END_STREAM)],
    ["request 1 POST / a.b content-length=4", "data 1 abcd", "end 1"],
  ],
  [
    "5.1",
    "frames on a stream that we have reset just now",
    [OPEN, data(1, "a"), windowUpdate(1, 0), data(1, "b"), headers(1, [["x", "y"]]), headers(3, GET)],
    ["request 1 POST / a.b", "data 1 a", "reset 1 PROTOCOL_ERROR by rule", "request 3 GET / a.b", "end 3"],
  ],
];

test.each([...REFUSED, ...TAKEN])("RFC 9113 §%s: %s", (_section, _what, frames, expected) => {
  expect(run(frames).sent).toEqual(expected);
});

test.each(HEARD)("RFC 9113 §%s: %s is heard", (_section, _what, frames, expected) => {
  expect(run(frames).heard).toEqual(expected);
});

test("every case says and does the same when its bytes come one by one", () => {
  for (const [, , frames] of [...REFUSED, ...TAKEN, ...HEARD]) {
    const whole = join(...frames);
    if (whole.length > 5000) continue;
    expect(run([...whole].map((byte) => Uint8Array.of(byte)))).toEqual(run(frames));
  }
});

test("every case says and does the same wherever its bytes are cut in two", () => {
  for (const [, , frames] of [...REFUSED, ...TAKEN, ...HEARD]) {
    const whole = join(...frames);
    if (whole.length > 5000) continue;
    const expected = run(frames);
    for (let cut = 1; cut < whole.length; cut++)
      expect(run([whole.subarray(0, cut), whole.subarray(cut)])).toEqual(expected);
  }
});

function run(frames: Uint8Array[]): { sent: string[]; heard: string[] } {
  const server = Listener.server();
  for (const bytes of frames) server.receive(bytes);
  return { sent: server.sent(), heard: server.heard() };
}

// --- §3.4, the beginning ---

test("the server begins with SETTINGS and acknowledges the client's", () => {
  const server = new Listener(true);
  expect(server.sent()).toEqual(["SETTINGS", "WINDOW_UPDATE 0 16711681"]);
  for (const byte of PREFACE) server.receive(Uint8Array.of(byte));
  expect(server.sent()).toEqual(["SETTINGS ACK"]);
});

test.each([
  ["something else than the preface", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["a preface with one wrong byte at its end", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r")],
  ["another frame than SETTINGS behind the preface", join(PREFACE.subarray(0, 24), PING)],
  ["an acknowledgement behind the preface", join(PREFACE.subarray(0, 24), frame("SETTINGS", ACK, 0))],
])("%s fails the connection", (_what, bytes) => {
  const server = new Listener(true);
  server.sent();
  server.receive(bytes);
  expect(server.sent()).toEqual(connectionError("PROTOCOL_ERROR"));
  expect(server.heard()).toEqual(["failed PROTOCOL_ERROR"]);
});

// --- §5.1.2 and §6.5.2, limits that we announce ---

test("a stream above MAX_CONCURRENT_STREAMS is refused, the next after one ended is not", () => {
  const server = Listener.server({ maxConcurrentStreams: 2 });
  server.receive(headers(1, POST, 0), headers(3, POST, 0), headers(5, POST, 0));
  expect(server.sent()).toEqual(["RST_STREAM 5 REFUSED_STREAM"]);
  server.receive(rst(1, 8), headers(7, GET));
  expect(server.heard().at(-2)).toBe("request 7 GET / a.b");
});

test("a header list above our limit is answered with 431", () => {
  const server = Listener.server();
  const many = Array.from({ length: 200 }, (_, index): [string, string] => [`x-${index}`, "v"]);
  server.receive(headers(1, [...GET, ...many]), headers(3, [...POST, ...many], 0));
  expect(server.sent()).toEqual(["HEADERS 1 END :status=431", "HEADERS 3 END :status=431", "RST_STREAM 3 NO_ERROR"]);
  expect(server.heard()).toEqual([]);
});
