import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  decodeStatusMessage,
  encodeStatusMessage,
  formatTimeout,
  frameMessage,
  GRPC_STATUS,
  MESSAGE_BAD_FLAG,
  MESSAGE_COMPRESSED,
  MESSAGE_TOO_LARGE,
  MESSAGES_OK,
  MessageReader,
  parseStatus,
  parseTimeout,
  statusOfHttp,
  statusOfReset,
} from "./index.ts";

function read(
  bytes: Uint8Array,
  cuts: number[],
  maxBytes = 100,
): { messages: string[]; fault: number; whole: boolean } {
  const messages: string[] = [];
  const reader = new MessageReader(maxBytes, {
    message: (bytes) => void messages.push(Buffer.from(bytes).toString("hex")),
  });
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    const fault = reader.read(bytes, from, to);
    if (fault !== MESSAGES_OK) return { messages, fault, whole: reader.isAtBoundary };
    from = to;
  }
  return { messages, fault: MESSAGES_OK, whole: reader.isAtBoundary };
}

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

test("messages come out whole wherever the bytes are cut", () => {
  const bytes = hex("00 00000003 616263  00 00000000  00 00000001 7a");
  const expected = { messages: ["616263", "", "7a"], fault: MESSAGES_OK, whole: true };
  expect(read(bytes, [])).toEqual(expected);
  for (let cut = 0; cut <= bytes.length; cut++) expect(read(bytes, [cut])).toEqual(expected);
  expect(read(bytes, Array.from(bytes.keys()))).toEqual(expected);
});

test("a body that stops inside a message is not at a boundary", () => {
  const bytes = hex("00 00000003 6162");
  for (let end = 1; end <= bytes.length; end++) expect(read(bytes.subarray(0, end), []).whole).toBe(false);
});

test.each([
  ["01 00000001 61", MESSAGE_COMPRESSED],
  ["02 00000001 61", MESSAGE_BAD_FLAG],
  ["00 00000065 61", MESSAGE_TOO_LARGE],
  ["00 ffffffff", MESSAGE_TOO_LARGE],
])("message %p is refused with %p", (text, fault) => {
  expect(read(hex(text), []).fault).toBe(fault);
});

test("a framed message reads back", () => {
  expect(read(frameMessage(hex("616263")), []).messages).toEqual(["616263"]);
});

test("a message larger than the first buffer comes out whole, in pieces of any size", () => {
  const message = Uint8Array.from({ length: 100_000 }, (_, i) => i * 7);
  const framed = frameMessage(message);
  const cuts = Array.from({ length: 50 }, (_, i) => (i + 1) * 1999);
  for (const places of [[], [5], [6, 16_384 + 5], cuts]) {
    const { messages, whole } = read(framed, places, 100_000);
    expect(messages).toEqual([Buffer.from(message).toString("hex")]);
    expect(whole).toBe(true);
  }
});

test("any status message survives percent-encoding", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const encoded = encodeStatusMessage(text);
      expect(encoded).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeStatusMessage(encoded)).toBe(text);
    }),
  );
});

test("a badly encoded status message is taken as it is", () => {
  expect(decodeStatusMessage("100% sure %zz %4")).toBe("100% sure %zz %4");
  expect(decodeStatusMessage("%41%")).toBe("A%");
});

test.each([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3000],
  ["4m", 4],
  ["5u", 0.005],
  ["99999999n", 99.999999],
  ["", undefined],
  ["S", undefined],
  ["123456789m", undefined],
  ["1s", undefined],
  ["-1S", undefined],
  [" 1S", undefined],
  ["1.5S", undefined],
])("`parseTimeout()` reads %p as %p ms", (text, expected) => {
  const ms = parseTimeout(text);
  if (expected === undefined) expect(ms).toBeUndefined();
  else expect(ms).toBeCloseTo(expected, 6);
});

test("a formatted timeout is never shorter than asked and has at most eight digits", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e15, noNaN: true }), (ms) => {
      const text = formatTimeout(ms);
      expect(text).toMatch(/^\d{1,8}[mSMH]$/);
      expect(parseTimeout(text)!).toBeGreaterThanOrEqual(Math.min(ms, 99_999_999 * 3_600_000));
    }),
  );
});

test("statuses from text, HTTP and resets", () => {
  expect(["0", "16", "x", "", "-1", "1e1"].map(parseStatus)).toEqual([0, 16, 2, 2, 2, 2]);
  expect([400, 401, 403, 404, 429, 502, 503, 504, 500, 200].map(statusOfHttp)).toEqual([
    13, 16, 7, 12, 14, 14, 14, 14, 2, 2,
  ]);
  expect([0, 7, 8, 11, 12, 1].map(statusOfReset)).toEqual([13, 14, 1, 8, 7, 13]);
  expect(GRPC_STATUS.UNAUTHENTICATED).toBe(16);
});
