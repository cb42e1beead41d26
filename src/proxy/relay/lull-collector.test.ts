import { expect, test } from "bun:test";
import { LullCollector } from "./lull-collector.ts";

const MB = 1_000_000;

function collector() {
  const state = { bytes: 0, collections: 0 };
  const lull = new LullCollector({ readGarbageBytes: () => state.bytes, collect: () => state.collections++ });
  return { state, lull };
}

test("little garbage is left to lie", () => {
  const { state, lull } = collector();
  state.bytes = 2 * MB;
  lull.turnEnded();
  expect(state.collections).toBe(0);
});

test("much of it is collected once, at the end of a turn", () => {
  const { state, lull } = collector();
  state.bytes = 3 * MB;
  lull.turnEnded();
  lull.turnEnded();
  expect(state.collections).toBe(1);
  state.bytes = 5 * MB;
  lull.turnEnded();
  expect(state.collections).toBe(1);
  state.bytes = 6 * MB;
  lull.turnEnded();
  expect(state.collections).toBe(2);
});

test("not while a request lacks its answer, when there are moments without", () => {
  const { state, lull } = collector();
  lull.turnEnded();
  state.bytes = 3 * MB;
  lull.requestBegan();
  lull.requestBegan();
  lull.requestAnswered();
  lull.turnEnded();
  expect(state.collections).toBe(0);
  lull.requestAnswered();
  lull.turnEnded();
  expect(state.collections).toBe(1);
});

test("a stream that is not answered for long is not waited for", () => {
  const { state, lull } = collector();
  lull.requestBegan();
  for (const [bytes, collections] of [
    [3 * MB, 1],
    [6 * MB, 2],
  ] as const) {
    lull.requestBegan();
    lull.requestAnswered();
    lull.turnEnded();
    lull.requestBegan();
    state.bytes = bytes;
    lull.turnEnded();
    expect(state.collections).toBe(collections - 1);
    lull.requestAnswered();
    lull.turnEnded();
    expect(state.collections).toBe(collections);
  }
});

test("requests leave garbage, too", () => {
  const { state, lull } = collector();
  for (let i = 0; i < 4_000; i++) {
    lull.requestBegan();
    lull.requestAnswered();
    lull.turnEnded();
  }
  expect(state.collections).toBe(1);
});
