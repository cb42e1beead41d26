import { expect, test } from "bun:test";
import { MetricsRegistry } from "./metrics.ts";

/** Ends a round, and lets the collector see what nobody holds. */
async function round(registry: MetricsRegistry): Promise<void> {
  registry.forgetIdle();
  await new Promise((resolve) => setImmediate(resolve)); // a WeakRef holds its target to the end of the turn
  Bun.gc(true);
}

test("series of pods that went away give their places to those that came", async () => {
  const registry = new MetricsRegistry({ maxSeries: 100 });
  const family = registry.counter("requests_total", "Requests.");
  const kept = family.series({ pod: "kept" });
  for (let generation = 0; generation < 20; generation++) {
    for (let pod = 0; pod < 20; pod++) family.series({ pod: `${generation}-${pod}` }).inc();
    for (let i = 0; i < 3; i++) await round(registry);
  }
  expect(registry.render()).not.toContain("overflow");
  kept.inc();
  expect(registry.render()).toContain('requests_total{pod="kept"} 1\n');
});

test("what is in use, or kept by somebody, or a gauge that says something, stays", async () => {
  const registry = new MetricsRegistry();
  registry.gauge("build_info", "The build.").series({ version: "1" }).set(1);
  registry.gauge("open", "Open now.").series({ pod: "a" }).set(0);
  registry.histogram("latency", "Latency.", [1]).series({ pod: "a" }).observe(2);
  const busy = registry.counter("busy_total", "Busy.").series();
  for (let i = 0; i < 5; i++) {
    busy.inc();
    await round(registry);
  }
  const text = registry.render();
  expect(text).toContain('build_info{version="1"} 1\n');
  expect(text).toContain("busy_total 5\n");
  expect(text).not.toContain("latency_count");
  expect(text).not.toContain("open{");
});
