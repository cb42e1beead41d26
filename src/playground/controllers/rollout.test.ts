import { expect, test } from "bun:test";
import { bounds, nextScales } from "./rollout.ts";

test("percentages round the surge up and the unavailable down, and never both to nothing", () => {
  expect(bounds({ replicas: 3, maxSurge: "25%", maxUnavailable: "25%" })).toEqual({ surge: 1, unavailable: 0 });
  expect(bounds({ replicas: 10, maxSurge: 0, maxUnavailable: "5%" })).toEqual({ surge: 0, unavailable: 1 });
});

test("a rolling update keeps its floor and its ceiling at every step, and ends", () => {
  for (const [replicas, maxSurge, maxUnavailable] of [
    [4, 1, 0],
    [4, 0, 1],
    [10, "25%", "25%"],
    [1, 1, 0],
    [3, 3, 3],
  ] as const) {
    const newest = { name: "new", replicas: 0, available: 0, actual: 0 };
    const old = [{ name: "old", replicas, available: replicas, actual: replicas }];
    const { surge, unavailable } = bounds({ replicas, maxSurge, maxUnavailable });
    let steps = 0;
    for (; newest.available < replicas || old[0]!.replicas > 0; steps++) {
      expect(steps).toBeLessThan(100);
      const scales = nextScales({ replicas, maxSurge, maxUnavailable, isRecreate: false, newest, old });
      for (const set of [newest, ...old]) {
        set.replicas = scales.get(set.name) ?? set.replicas;
        set.available = Math.min(set.available, set.replicas);
      }
      expect(newest.replicas + old[0]!.replicas).toBeLessThanOrEqual(replicas + surge);
      expect(newest.available + old[0]!.available).toBeGreaterThanOrEqual(replicas - unavailable);
      if (newest.available < newest.replicas) newest.available++; // one pod becomes ready
    }
    expect(newest).toMatchObject({ replicas, available: replicas });
  }
});

test("recreate waits until the old pods are gone", () => {
  const input = {
    replicas: 2,
    maxSurge: 0,
    maxUnavailable: 0,
    isRecreate: true,
    newest: { name: "new", replicas: 0, available: 0, actual: 0 },
  };
  expect([...nextScales({ ...input, old: [{ name: "old", replicas: 2, available: 2, actual: 2 }] })]).toEqual([
    ["old", 0],
  ]);
  expect([...nextScales({ ...input, old: [{ name: "old", replicas: 0, available: 0, actual: 1 }] })]).toEqual([]);
  expect([...nextScales({ ...input, old: [{ name: "old", replicas: 0, available: 0, actual: 0 }] })]).toEqual([
    ["new", 2],
  ]);
});
