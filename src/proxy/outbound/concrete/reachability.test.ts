import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { Reachability } from "./reachability.ts";

function setup() {
  const clock = new FakeClock();
  const events: string[] = [];
  const connectBackoff = { minMs: 100, maxMs: 800, jitter: 0 };
  const reach = new Reachability(
    { clock, random: seededRandom(1), connectBackoff },
    {
      probe: () => void events.push(`probe at ${clock.monotonicMs()}`),
      changed: () => void events.push(reach.isDown ? "down" : "up"),
    },
  );
  return { clock, events, reach };
}

test("nobody has tried: taken for granted, and not probed", () => {
  const { clock, events, reach } = setup();
  clock.advance(3_600_000);
  expect([reach.isDown, reach.isTried, events]).toEqual([false, false, []]);
});

test("after a failure it is down whatever time passes, and probed with growing delays until a connection stands", () => {
  const { clock, events, reach } = setup();
  reach.failed();
  for (let tries = 0; tries < 5; tries++) {
    clock.advance(800);
    expect(reach.isDown).toBe(true);
    reach.failed();
  }
  reach.connected();
  clock.advance(3_600_000);
  const probes = ["probe at 100", "probe at 1000", "probe at 2000", "probe at 3200", "probe at 4000"];
  expect(events).toEqual(["down", ...probes, "up"]);
});

test("several failures at once lead to one probe, and a success starts the delays anew", () => {
  const { clock, events, reach } = setup();
  for (let i = 0; i < 5; i++) reach.failed();
  reach.connected();
  reach.failed();
  reach.failed();
  clock.advance(1000);
  expect(events).toEqual(["down", "up", "down", "probe at 100"]);
});

test("in doubt, what nobody has tried is tried at once, and what is known is left alone", () => {
  const { events, reach } = setup();
  reach.doubt();
  expect(reach.isDown).toBe(true);
  reach.doubt();
  reach.connected();
  reach.doubt();
  expect(events).toEqual(["probe at 0", "up"]);
});

test("once closed it probes no more", () => {
  const { clock, events, reach } = setup();
  reach.failed();
  reach.close();
  reach.failed();
  clock.advance(3_600_000);
  expect(events).toEqual(["down"]);
});
