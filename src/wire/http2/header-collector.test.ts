import { expect, test } from "bun:test";
import { END_HEADERS, HAS_PRIORITY, PADDED } from "./frame.ts";
import { HeaderCollector } from "./header-collector.ts";

const block = Buffer.from("abcdef");

test("a block in one frame is not copied", () => {
  const collector = new HeaderCollector(100);
  expect(collector.begin(END_HEADERS, 1, block, 0, 6)).toBe("");
  expect([collector.from, collector.to, collector.kept.size, collector.streamId]).toEqual([0, 6, 0, 0]);
});

test("padding and priority are stripped", () => {
  const collector = new HeaderCollector(100);
  const frame = Buffer.from([2, 0, 0, 0, 7, 16, 0x61, 0x62, 0, 0]);
  expect(collector.begin(END_HEADERS | PADDED | HAS_PRIORITY, 7, frame, 0, frame.length)).toBe("");
  expect(frame.toString("latin1", collector.from, collector.to)).toBe("ab");
  expect(collector.isSelfDependent).toBe(true);
});

test("padding beyond the frame and a cut priority are refused", () => {
  const collector = new HeaderCollector(100);
  expect(collector.begin(PADDED, 1, Buffer.from([3, 1, 2]), 0, 3)).toBe("padding longer than its frame");
  expect(collector.begin(PADDED, 1, Buffer.from([]), 0, 0)).toBe("padding longer than its frame");
  expect(collector.begin(HAS_PRIORITY, 1, block, 0, 4)).toBe("a HEADERS frame without room for its priority");
  expect(collector.kept.size).toBe(0);
});

test("a block in parts is kept until it is whole, within the limit", () => {
  const collector = new HeaderCollector(5);
  collector.begin(0, 9, block, 0, 6);
  expect([collector.streamId, collector.hasRoom(4), collector.hasRoom(5)]).toEqual([9, true, false]);
  collector.append(block, 0, 2, true);
  const { kept } = collector;
  expect([collector.streamId, Buffer.from(kept.bytes).toString("latin1", kept.start, kept.end)]).toEqual([
    0,
    "abcdefab",
  ]);
  collector.clear();
  expect(kept.size).toBe(0);
});
