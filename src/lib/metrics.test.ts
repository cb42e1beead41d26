import { expect, test } from "bun:test";
import { MetricsRegistry } from "./metrics.ts";

test("a counter renders with its labels in one order", () => {
  const registry = new MetricsRegistry();
  const family = registry.counter("requests_total", "Requests seen.");
  family.series({ b: "2", a: "1" }).inc();
  family.series({ a: "1", b: "2" }).inc(2);
  expect(registry.render()).toBe(
    '# HELP requests_total Requests seen.\n# TYPE requests_total counter\nrequests_total{a="1",b="2"} 3\n',
  );
});

test("label values cannot break out of their quotes", () => {
  const registry = new MetricsRegistry();
  registry.gauge("g", "G.").series({ path: 'a"}\n\\' }).set(1);
  expect(registry.render()).toContain('g{path="a\\"}\\n\\\\"} 1\n');
});

test("histogram buckets are cumulative and include their bound", () => {
  const registry = new MetricsRegistry();
  const histogram = registry.histogram("h", "H.", [1, 5]).series();
  for (const value of [1, 1.5, 5, 6]) histogram.observe(value);
  expect(registry.render()).toBe(
    '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="5"} 3\nh_bucket{le="+Inf"} 4\nh_sum 13.5\nh_count 4\n',
  );
});

test("beyond the cap new label sets share an overflow series and old ones keep counting", () => {
  const registry = new MetricsRegistry({ maxSeries: 2 });
  const family = registry.counter("c", "C.");
  for (let i = 0; i < 100; i++) family.series({ path: `/${i}` }).inc();
  family.series({ path: "/0" }).inc();
  const lines = registry
    .render()
    .split("\n")
    .filter((line) => line.startsWith("c{"));
  expect(lines).toEqual(['c{path="/0"} 2', 'c{path="/1"} 1', 'c{overflow="true"} 98']);
});

test("series keep their numbers when nobody holds them any more", async () => {
  const registry = new MetricsRegistry();
  const counters = registry.counter("c", "C.");
  const histograms = registry.histogram("h", "H.", [1, 5]);
  const kept = counters.series({ pod: "kept" });
  for (let pod = 0; pod < 100; pod++) {
    counters.series({ pod }).inc(pod);
    histograms.series({ pod }).observe(pod);
  }
  const text = registry.render();
  await new Promise((resolve) => setImmediate(resolve)); // a WeakRef holds its target to the end of the turn
  Bun.gc(true);
  registry.compact();
  expect(registry.render()).toBe(text);
  counters.series({ pod: 7 }).inc();
  kept.inc();
  histograms.series({ pod: 7 }).observe(7);
  const changes = new Map([
    ['c{pod="7"} 7\n', 'c{pod="7"} 8\n'],
    ['c{pod="kept"} 0\n', 'c{pod="kept"} 1\n'],
    ['h_bucket{pod="7",le="+Inf"} 1\n', 'h_bucket{pod="7",le="+Inf"} 2\n'],
    ['h_sum{pod="7"} 7\n', 'h_sum{pod="7"} 14\n'],
    ['h_count{pod="7"} 1\n', 'h_count{pod="7"} 2\n'],
  ]);
  expect(registry.render()).toBe([...changes].reduce((all, [from, to]) => all.replace(from, to), text));
});

test("all who count a series share one object", () => {
  const family = new MetricsRegistry().counter("c", "C.");
  const one = family.series({ a: "1", b: "2" });
  expect(family.series({ b: "2", a: "1" })).toBe(one);
});
