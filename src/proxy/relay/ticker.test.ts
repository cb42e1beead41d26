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
