import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { type EndpointInfo, plainEndpoint } from "../endpoint/endpoint-info.ts";
import { type BalancedEndpoint, Balancer } from "./balancer.ts";

class Fake implements BalancedEndpoint {
  isReady = true;
  isRetired = false;
  readonly info: EndpointInfo;
  readonly changed: () => void;
  constructor(info: EndpointInfo, changed: () => void) {
    this.info = info;
    this.changed = changed;
  }
  cost() {
    return 1;
  }
  retire() {
    this.isRetired = true;
  }
}

function setup() {
  const clock = new FakeClock();
  const made: Fake[] = [];
  const events: string[] = [];
  const balancer = new Balancer<Fake>({
    name: "Service.shop.web:80",
    clock,
    random: seededRandom(1),
    queueCapacity: 2,
    failfastMs: 3000,
    makeEndpoint: (info, changed) => {
      const fake = new Fake(info, changed);
      made.push(fake);
      return fake;
    },
    observer: { endpoints() {}, queued() {}, gate: (isOpen) => events.push(isOpen ? "open" : "shut") },
  });
  const wait = (name: string) =>
    balancer.wait({ wake: () => events.push(`${name} woken`), failed: (e) => events.push(`${name} ${e.code}`) });
  const set = (...ips: string[]) =>
    balancer.endpoints(new Map(ips.map((ip) => [`${ip}:80`, plainEndpoint({ ip, port: 80 })])));
  return { clock, made, events, balancer, wait, set };
}

test("an unchanged endpoint is kept, one that left is retired", () => {
  const { made, set } = setup();
  set("10.0.0.1", "10.0.0.2");
  set("10.0.0.2", "10.0.0.3");
  expect(made.map(({ info, isRetired }) => `${info.address.ip} ${isRetired}`)).toEqual([
    "10.0.0.1 true",
    "10.0.0.2 false",
    "10.0.0.3 false",
  ]);
});

test("requests wait for an endpoint, and beyond the queue's capacity are shed", () => {
  const { events, set, wait } = setup();
  for (const name of ["a", "b", "c"]) wait(name);
  set("10.0.0.1");
  expect(events).toEqual(["c load-shed", "a woken", "b woken"]);
});

test("without endpoints the gate shuts, new requests fail at once, and a ready endpoint opens it", () => {
  const { clock, events, set, wait } = setup();
  set();
  wait("a");
  clock.advance(2999);
  expect(events).toEqual([]);
  clock.advance(1);
  wait("b");
  set("10.0.0.1");
  wait("c");
  expect(events).toEqual(["shut", "a no-endpoints", "b no-endpoints", "open"]);
});

test("an endpoint that becomes ready by time alone wakes those who wait", () => {
  const { clock, events, made, set, wait } = setup();
  set("10.0.0.1");
  made[0].isReady = false;
  wait("a");
  clock.advance(100);
  made[0].isReady = true;
  clock.advance(50);
  expect(events).toEqual(["a woken"]);
});

test("a gate that is shut is looked at once a second, and opens when an endpoint is ready again", () => {
  const { clock, events, made, set, wait } = setup();
  set("10.0.0.1");
  let looks = 0;
  let isReady = false;
  Object.defineProperty(made[0], "isReady", {
    get() {
      looks++;
      return isReady;
    },
  });
  wait("a");
  clock.advance(3000);
  looks = 0;
  clock.advance(60_000);
  expect(looks).toBeLessThan(70);
  isReady = true;
  clock.advance(1000);
  expect(events).toEqual(["shut", "a fail-fast", "open"]);
});
