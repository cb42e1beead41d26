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

const by = (...names: string[]) => names;

/** Readings of one target ten seconds apart, each a list of lines; the increase of the last minute by the labels asked for. */
async function increases(
  readings: readonly (readonly string[])[],
  names: readonly string[],
  metric = "response_total",
) {
  const { store, at } = storeAt();
  store.ingest("a", "", { pod: "a" });
  for (const [index, lines] of readings.entries()) {
    at((index + 1) * 10_000);
    store.ingest("a", `${lines.join("\n")}\n`, { pod: "a" });
  }
  const samples = await store.increase({ metric, matchers: [] }, MINUTE_MS, names);
  return Object.fromEntries(samples.map(({ labels, value }) => [names.map((name) => labels[name]).join(" "), value]));
}

test("known lines are told apart by their whole labels, whatever their values and order", async () => {
  const lines = (x: number, y: number, none: number) => [
    `response_total{a="x"} ${x}`,
    `response_total{a="xy"} ${y}`,
    `response_total ${none}`,
  ];
  const readings = [lines(1, 10, 100), lines(22, 30, 400), lines(333, 50, 700).reverse()];
  expect(await increases(readings, by("a"))).toEqual({ x: 333, xy: 50, "": 700 });
});

test("new lines among known ones are series of their own from zero", async () => {
  const first = ['response_total{a="1"} 5', 'response_total{a="3"} 5'];
  const later = ['response_total{a="0"} 1', 'response_total{a="1"} 6', 'response_total{a="2"} 2', first[1]!];
  expect(await increases([first, later, later], by("a"))).toEqual({ 0: 1, 1: 6, 2: 2, 3: 5 });
});

test("escaped label values stay apart and are answered as they are meant", async () => {
  const lines = (by: number) => [
    `response_total{a="q\\"} 1"} ${by}`,
    `response_total{a="q\\\\"} ${2 * by}`,
    `response_total{a="q\\n"} ${3 * by}`,
    `response_total{a="q,le=\\"1"} ${4 * by}`,
  ];
  const expected = { 'q"} 1': 20, "q\\": 40, "q\n": 60, 'q,le="1': 80 };
  expect(await increases([lines(10), lines(20)], by("a"))).toEqual(expected);
});

test("buckets of a histogram are kept apart by le, also when some appear later or the order changes", async () => {
  const metric = "response_latency_ms_bucket";
  const line = (a: string, le: string, value: number) => `${metric}{a="${a}",le="${le}"} ${value}`;
  const readings = [
    [line("x", "1", 1), line("x", "10", 2), line("y", "1", 3)],
    [line("x", "1", 2), line("x", "10", 4), line("x", "+Inf", 9), line("y", "1", 6)],
    [line("y", "1", 7), line("x", "+Inf", 10), line("x", "10", 5), line("x", "1", 3)],
  ];
  const expected = { "x 1": 3, "x 10": 5, "x +Inf": 10, "y 1": 7 };
  expect(await increases(readings, by("a", "le"), metric)).toEqual(expected);
  expect(await increases(readings, by("a"), metric)).toEqual({ x: 18, y: 7 });
  expect(
    await increases([[`${metric}{le="1",a="x"} 4`], [`${metric}{le="1",a="x"} 5`]], by("a", "le"), metric),
  ).toEqual({
    "x 1": 5,
  });
});

test("a line whose labels come in another order is the same series", async () => {
  const readings = [['response_total{a="1",b="2"} 5'], ['response_total{b="2",a="1"} 7']];
  expect(await increases(readings, by("a", "b"))).toEqual({ "1 2": 7 });
});

test("a counter that vanishes and returns goes on, or counts whole when it began anew", async () => {
  const line = (a: string, value: number) => `response_total{a="${a}"} ${value}`;
  const readings = [[line("x", 5), line("y", 5)], [line("z", 1)], [line("x", 7), line("y", 2), line("z", 1)]];
  expect(await increases(readings, by("a"))).toEqual({ x: 7, y: 7, z: 1 });
});

test("series that vanish are dropped after the retention, one by one, and are new when they return", async () => {
  const { store, at } = storeAt();
  const [stay, go] = [
    'request_total{a="1"} 1\n',
    'response_total{pod="a"} 40\nresponse_latency_ms_bucket{a="1",le="1"} 1\n',
  ];
  store.ingest("a", "", {});
  for (let minute = 1; minute <= 13; minute++) {
    at(minute * MINUTE_MS);
    store.ingest("a", minute <= 2 ? go + stay : stay, {});
    store.expire();
    expect(store.seriesCount).toBe(minute <= 12 ? 3 : 1);
  }
  at(14 * MINUTE_MS);
  store.ingest("a", stay + go, {});
  expect(store.seriesCount).toBe(3);
  expect(await total(store, MINUTE_MS)).toBe(40);
  at(14 * MINUTE_MS + 10_000);
  store.ingest("a", go + stay, {});
  expect(await total(store, MINUTE_MS)).toBe(40);
});

test("a reset between two points counts, also when points are further apart than readings", async () => {
  const { store, at } = storeAt();
  for (const [index, value] of [0, 10, 3, 4, 1].entries()) {
    at(index * 250);
    store.ingest("a", `response_total ${value}`, { pod: "a" });
  }
  expect(await total(store, MINUTE_MS)).toBe(15);
});

test("a long life goes round the ring: only the window counts, and never what was before the first reading", async () => {
  const { store, at } = storeAt();
  for (let i = 0; i <= 300; i++) {
    at(i * 10_000);
    store.ingest("a", `response_total ${1_000 + i}`, { pod: "a" });
    store.expire();
  }
  expect(await total(store, MINUTE_MS)).toBe(7);
  expect(await total(store, 10 * MINUTE_MS)).toBe(61);
  expect(await total(store, 60 * MINUTE_MS)).toBe(71); // what is kept, not all there ever was
});

test("labels of a target that change rename its series, and nothing is counted twice", async () => {
  const { store, at } = storeAt();
  store.ingest("a", "", { pod: "a", version: "1" });
  for (const [index, version] of ["1", "2"].entries()) {
    at((index + 1) * 10_000);
    const text = `response_total{x="q\\"",version="own"} 5\nresponse_total 5\nresponse_latency_ms_bucket{le="1"} 5\n`;
    store.ingest("a", text, { pod: "a", version });
  }
  const rows = (metric: string) => store.increase({ metric, matchers: [] }, MINUTE_MS, ["pod", "version"]);
  expect(await rows("response_total")).toEqual([
    { labels: { pod: "a", version: "own" }, value: 5 },
    { labels: { pod: "a", version: "2" }, value: 5 },
  ]);
  expect(await rows("response_latency_ms_bucket")).toEqual([{ labels: { pod: "a", version: "2" }, value: 5 }]);
});

test("a gauge falls and rises, and is not a number when it says so", async () => {
  const { store } = storeAt();
  for (const value of ["3", "NaN", "1"]) {
    store.ingest("a", `tcp_open_connections ${value}`, {});
    const [sample] = await store.current({ metric: "tcp_open_connections", matchers: [] }, []);
    expect(sample?.value).toEqual(Number(value));
  }
});

test("targets beyond the limit are turned away and counted; one that is gone makes room", () => {
  let nowMs = 0;
  const store = new MemoryStore({ wallMs: () => nowMs, retentionMs: 1_000, staleAfterMs: 1_000, maxTargets: 2 });
  for (const name of ["a", "b", "c"]) store.ingest(name, "request_total 1", { pod: name });
  expect([store.seriesCount, store.droppedReadingCount]).toEqual([2, 1]);
  nowMs = 2_000;
  store.expire();
  store.ingest("c", "request_total 1", { pod: "c" });
  expect([store.seriesCount, store.droppedReadingCount]).toEqual([1, 1]);
});

test("a matcher of le selects buckets", async () => {
  const { store, at } = storeAt();
  store.ingest("a", "", {});
  at(10_000);
  store.ingest("a", 'response_latency_ms_bucket{a="1",le="1"} 3\nresponse_latency_ms_bucket{a="1",le="2"} 4\n', {});
  const select = { metric: "response_latency_ms_bucket", matchers: [equal("le", "2")] };
  expect(await store.increase(select, MINUTE_MS, ["a"])).toEqual([{ labels: { a: "1" }, value: 4 }]);
});
