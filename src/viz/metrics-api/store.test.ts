import { expect, test } from "bun:test";
import fc from "fast-check";
import { equal, quantileOf, toPromQl } from "./source.ts";
import { MemoryStore } from "./store.ts";

const MINUTE_MS = 60_000;

function storeAt(start = 0) {
  let nowMs = start;
  const store = new MemoryStore({
    wallMs: () => nowMs,
    retentionMs: 10 * MINUTE_MS,
    staleAfterMs: 30_000,
    maxSeries: 100,
  });
  return { store, at: (ms: number) => (nowMs = ms) };
}

async function total(store: MemoryStore, windowMs: number): Promise<number | undefined> {
  return (await store.increase({ metric: "response_total", matchers: [equal("pod", "a")] }, windowMs, ["pod"]))[0]
    ?.value;
}

test("a counter that appears on a watched target counts from zero", async () => {
  const { store, at } = storeAt();
  store.ingest("a", "", { pod: "a" });
  at(10_000);
  store.ingest("a", 'response_total{direction="inbound"} 7', { pod: "a" });
  expect(await total(store, MINUTE_MS)).toBe(7);
});

test("a counter already there at the first reading counts only what follows", async () => {
  const { store, at } = storeAt();
  store.ingest("a", "response_total 100", { pod: "a" });
  at(10_000);
  store.ingest("a", "response_total 103", { pod: "a" });
  expect(await total(store, MINUTE_MS)).toBe(3);
});

test("a target that began after the store counts from zero at its first reading, an older one does not", async () => {
  const { store, at } = storeAt(1_000_000);
  at(1_010_000);
  store.ingest("a", "process_start_time_seconds 1005\nresponse_total 7", { pod: "a" });
  expect(await total(store, MINUTE_MS)).toBe(7);
  store.ingest("b", "process_start_time_seconds 900\nresponse_total 7", { pod: "b" });
  const old = await store.increase({ metric: "response_total", matchers: [equal("pod", "b")] }, MINUTE_MS, ["pod"]);
  expect(old[0]?.value).toBe(0);
});

test("a reset counts from zero again", async () => {
  const { store, at } = storeAt();
  for (const [index, value] of [100, 110, 4, 6].entries()) {
    at(index * 10_000);
    store.ingest("a", `response_total ${value}`, { pod: "a" });
  }
  expect(await total(store, MINUTE_MS)).toBe(16);
});

test("only the window counts, from the last value before it", async () => {
  const { store, at } = storeAt();
  for (let i = 0; i <= 12; i++) {
    at(i * 10_000);
    store.ingest("a", `response_total ${i}`, { pod: "a" });
  }
  expect(await total(store, 30_000)).toBe(4); // samples at 90, 100, 110, 120 s against the one at 80 s
});

test("increases equal the counter's total rise however it is sampled", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(5), { minLength: 1, maxLength: 40 }), async (rises) => {
      const { store, at } = storeAt();
      let value = 0;
      store.ingest("a", "response_total 0", { pod: "a" });
      for (const [index, rise] of rises.entries()) {
        at((index + 1) * 1_000);
        value += rise;
        store.ingest("a", `response_total ${value}`, { pod: "a" });
      }
      expect(await total(store, 10 * MINUTE_MS)).toBe(value);
    }),
  );
});

test("a gauge of a target that is gone does not count", async () => {
  const { store, at } = storeAt();
  store.ingest("a", "tcp_open_connections 3", { pod: "a" });
  store.ingest("b", "tcp_open_connections 4", { pod: "b" });
  at(40_000);
  store.ingest("b", "tcp_open_connections 5", { pod: "b" });
  expect(await store.current({ metric: "tcp_open_connections", matchers: [] }, [])).toEqual([{ labels: {}, value: 5 }]);
});

test("series beyond the limit are turned away and counted; old ones make room when they expire", () => {
  const { store, at } = storeAt();
  for (let i = 0; i < 150; i++) store.ingest(`t${i}`, "request_total 1", { pod: `p${i}` });
  expect([store.seriesCount, store.droppedCount]).toEqual([100, 50]);
  at(11 * MINUTE_MS);
  store.expire();
  expect(store.seriesCount).toBe(0);
});

test("families that nobody asks about are not kept", () => {
  const { store } = storeAt();
  store.ingest("a", "tokio_rt_workers 1\nrequest_total 1\n# EOF\n", {});
  expect(store.seriesCount).toBe(1);
});

test("quantileOf() interpolates inside a bucket and stops at the highest finite bound", () => {
  const buckets = [
    { bound: 1, count: 50 },
    { bound: 2, count: 90 },
    { bound: Number.POSITIVE_INFINITY, count: 100 },
  ];
  expect([quantileOf(0.5, buckets), quantileOf(0.7, buckets), quantileOf(0.99, buckets)]).toEqual([1, 1.5, 2]);
  expect(quantileOf(0.5, [])).toBeNaN();
});

test("toPromQl() sorts labels and quotes values", () => {
  expect(toPromQl({ metric: "m", matchers: [equal("b", 'x"y'), { label: "a", op: "!=", value: "" }] })).toBe(
    'm{a!="", b="x\\"y"}',
  );
});
