import { expect, test } from "bun:test";
import fc from "fast-check";
import { seededRandom } from "#lib/random";
import { ConsecutiveFailures } from "./breaker.ts";
import { pickP2c } from "./p2c.ts";
import { PeakEwma } from "./peak-ewma.ts";

const endpoint = (cost: number, isReady = true) => ({ isReady, cost: () => cost });

test("P2C never picks what is not ready, and always finds what is", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 40 }), fc.integer(), (ready, seed) => {
      const endpoints = ready.map((isReady, index) => endpoint(index, isReady));
      const picked = pickP2c(endpoints, seededRandom(seed), 0);
      return ready.includes(true) ? picked?.isReady === true : picked === undefined;
    }),
  );
});

test("P2C never picks the dearest of several", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 30 }), fc.integer(), (count, seed) => {
      const endpoints = Array.from({ length: count }, (_, index) => endpoint(index));
      return pickP2c(endpoints, seededRandom(seed), 0) !== endpoints[count - 1];
    }),
  );
});

test("P2C spreads equal endpoints evenly", () => {
  const random = seededRandom(7);
  const endpoints = [0, 1, 2, 3].map(() => ({ ...endpoint(1), count: 0 }));
  for (let i = 0; i < 4000; i++) pickP2c(endpoints, random, 0)!.count++;
  for (const { count } of endpoints) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test("a slower sample replaces the estimate at once, a faster one blends in", () => {
  const ewma = new PeakEwma(30, 10_000, 0);
  ewma.observe(500, 0);
  expect(ewma.read(0)).toBe(500);
  ewma.observe(10, 10_000);
  expect(ewma.read(10_000)).toBeCloseTo(500 / Math.E + 10 * (1 - 1 / Math.E), 6);
});

test("the estimate stays between zero and the largest sample", () => {
  const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: 20_000 })));
  fc.assert(
    fc.property(samples, (pairs) => {
      const ewma = new PeakEwma(30, 10_000, 0);
      let nowMs = 0;
      let largest = 30;
      for (const [rttMs, afterMs] of pairs) {
        nowMs += afterMs;
        largest = Math.max(largest, rttMs);
        ewma.observe(rttMs, nowMs);
        const estimate = ewma.read(nowMs);
        if (!(estimate >= 0 && estimate <= largest + 1e-9)) return false;
      }
      return true;
    }),
  );
});

test("the breaker trips at the limit, probes once, and recovers by a success", () => {
  const breaker = new ConsecutiveFailures(3, { minMs: 1000, maxMs: 60_000, jitter: 0 }, seededRandom(1));
  breaker.failed(0);
  breaker.failed(0);
  breaker.succeeded();
  for (let i = 0; i < 3; i++) breaker.failed(0);
  expect(breaker.isOpen(999)).toBe(false);
  expect(breaker.isOpen(1000)).toBe(true);
  breaker.started(1000);
  expect(breaker.isOpen(1000)).toBe(false);
  breaker.failed(1001);
  expect(breaker.isOpen(3000)).toBe(false);
  expect(breaker.isOpen(3001)).toBe(true);
  breaker.started(3001);
  breaker.succeeded();
  expect(breaker.isOpen(3001)).toBe(true);
});

test("a probe whose client gives up says nothing: another one passes", () => {
  const breaker = new ConsecutiveFailures(1, { minMs: 1000, maxMs: 60_000, jitter: 0 }, seededRandom(1));
  breaker.failed(0);
  breaker.started(1000);
  expect(breaker.isOpen(5000)).toBe(false);
  breaker.abandoned();
  expect(breaker.isOpen(5000)).toBe(true);
  breaker.started(5000);
  expect(breaker.isOpen(5000)).toBe(false);
  breaker.succeeded();
  expect(breaker.isOpen(5000)).toBe(true);
});
