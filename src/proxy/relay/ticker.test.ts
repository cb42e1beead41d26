import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { Ticker } from "./ticker.ts";

test("a tick that throws does not stop the time of the others", () => {
  const clock = new FakeClock();
  const ticker = new Ticker(clock);
  let ticks = 0;
  ticker.add({ tick: () => void ticks++ });
  ticker.add({
    tick() {
      throw new Error("our own mistake");
    },
  });
  for (let second = 0; second < 3; second++) expect(() => clock.advance(1000)).toThrow("our own mistake");
  expect(ticks).toBe(3);
});

test("without connections no timer runs", () => {
  const clock = new FakeClock();
  const ticker = new Ticker(clock);
  let ticks = 0;
  const one = { tick: () => void ticks++ };
  ticker.add(one);
  clock.advance(1000);
  ticker.remove(one);
  clock.advance(10_000);
  ticker.add(one);
  clock.advance(1000);
  expect(ticks).toBe(2);
});

test("many connections are asked once a second each, in batches", () => {
  const clock = new FakeClock();
  const ticker = new Ticker(clock);
  const COUNT = 1000;
  const asked = new Array<number>(COUNT).fill(0);
  const atMs = new Set<number>();
  for (let i = 0; i < COUNT; i++)
    ticker.add({
      tick(nowMs) {
        asked[i]!++;
        atMs.add(nowMs);
      },
    });
  clock.advance(1000); // the first timer was set when there was one
  for (let ms = 0; ms < 3000; ms += 5) clock.advance(5);
  expect(asked.every((times) => times >= 2 && times <= 4)).toBeTrue();
  expect(atMs.size).toBeGreaterThan(3 * 10);
});

test("connections that leave within a round are not asked, and the others are", () => {
  const clock = new FakeClock();
  const ticker = new Ticker(clock);
  const asked: number[] = [];
  const all = Array.from({ length: 200 }, (_, i) => ({ tick: () => void asked.push(i) }));
  for (const one of all) ticker.add(one);
  clock.advance(1000);
  for (const one of all.slice(100, 150)) ticker.remove(one);
  for (let ms = 0; ms < 1000; ms += 50) clock.advance(50);
  for (let i = 0; i < 200; i++) expect(asked.includes(i)).toBe(i < 100 || i >= 150);
});

test("connections that left are kept by nothing, also when it was within a round", async () => {
  const clock = new FakeClock();
  const ticker = new Ticker(clock);
  const left = await (async () => {
    const all = Array.from({ length: 200 }, () => ({ tick() {} }));
    for (const one of all) ticker.add(one);
    clock.advance(1000);
    for (const one of all) ticker.remove(one);
    return all.map((one) => new WeakRef(one));
  })();
  await new Promise((resolve) => setImmediate(resolve)); // a WeakRef holds its target to the end of the turn
  Bun.gc(true);
  expect(left.filter((one) => one.deref()).length).toBeLessThan(20); // the collector takes what looks like a pointer for one
});
