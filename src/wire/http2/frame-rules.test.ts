import { expect, test } from "bun:test";
import { FRAME_SIZE_ERROR, PROTOCOL_ERROR } from "./error-code.ts";
import { ACK, GOAWAY, HEADERS, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE } from "./frame.ts";
import { checkFrame } from "./frame-rules.ts";

const right: [type: number, flags: number, streamId: number, length: number][] = [
  [HEADERS, 0, 1, 0],
  [PRIORITY, 0, 1, 4], // its length is an error of the stream only
  [RST_STREAM, 0, 1, 4],
  [SETTINGS, 0, 0, 6],
  [SETTINGS, ACK, 0, 0],
  [PING, 0, 0, 8],
  [GOAWAY, 0, 0, 9],
  [WINDOW_UPDATE, 0, 0, 4],
  [WINDOW_UPDATE, 0, 1, 4],
  [0xfa, 0xff, 7, 1000], // unknown types are ignored (RFC 9113 §5.5)
];
const wrong: [type: number, flags: number, streamId: number, length: number, code: number][] = [
  [HEADERS, 0, 0, 5, PROTOCOL_ERROR],
  [PRIORITY, 0, 0, 5, PROTOCOL_ERROR],
  [RST_STREAM, 0, 1, 5, FRAME_SIZE_ERROR],
  [SETTINGS, 0, 1, 0, PROTOCOL_ERROR],
  [SETTINGS, ACK, 0, 6, FRAME_SIZE_ERROR],
  [PUSH_PROMISE, 0, 1, 5, PROTOCOL_ERROR],
  [PING, 0, 0, 7, FRAME_SIZE_ERROR],
  [PING, 0, 1, 8, PROTOCOL_ERROR],
  [GOAWAY, 0, 1, 8, PROTOCOL_ERROR],
  [GOAWAY, 0, 0, 7, FRAME_SIZE_ERROR],
  [WINDOW_UPDATE, 0, 0, 3, FRAME_SIZE_ERROR],
];

test("frames that keep the rules of their type pass", () => {
  expect(right.filter((frame) => checkFrame(...frame) !== null)).toEqual([]);
});

test("frames on the wrong stream or of the wrong size end the connection with the code of RFC 9113 §6", () => {
  const codes = wrong.map(([type, flags, streamId, length]) => checkFrame(type, flags, streamId, length)?.code);
  expect(codes).toEqual(wrong.map((row) => row[4]));
});
