import { expect, test } from "bun:test";
import fc from "fast-check";
import { Http2Stream, type StreamHost } from "./stream.ts";
import { StreamMap } from "./stream-map.ts";

const stream = (id: number): Http2Stream => new Http2Stream(id, {} as StreamHost, 0, 0);
const idsOf = (map: StreamMap): number[] => map.values().map(({ id }) => id);

test("does what a `Map` does, whichever ids come and go", () => {
  // Few slots and ids far apart: most of them have the same home.
  const id = fc.oneof(
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 0, max: 30 }).map((i) => 1 + i * 32),
  );
  const steps = fc.array(fc.tuple(fc.boolean(), id), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (list) => {
      const map = new StreamMap();
      const model = new Map<number, Http2Stream>();
      for (const [adds, key] of list) {
        if (adds && !model.has(key)) {
          const added = stream(key);
          map.add(added);
          model.set(key, added);
        } else if (!adds) expect(map.delete(key)).toBe(model.delete(key));
        expect(map.size).toBe(model.size);
        for (const [each, value] of model) expect(map.get(each)).toBe(value);
        expect(map.get(key)).toBe(model.get(key));
      }
      expect(idsOf(map).sort()).toEqual([...model.keys()].sort());
    }),
  );
});

test("a stream that stays long does not make the map grow under those that come and go", () => {
  const map = new StreamMap();
  map.add(stream(1));
  for (let id = 3; id < 20_001; id += 2) {
    map.add(stream(id));
    expect(map.delete(id)).toBe(true);
  }
  expect(map.slotCount).toBe(16);
  expect(idsOf(map)).toEqual([1]);
});

test("an empty map gives back what many streams needed", () => {
  const map = new StreamMap();
  for (let id = 1; id < 1_000; id += 2) map.add(stream(id));
  expect(map.slotCount).toBe(1024);
  for (let id = 1; id < 1_000; id += 2) map.delete(id);
  expect(map.slotCount).toBe(16);
});
