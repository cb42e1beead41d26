import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { RelayError } from "../../errors.ts";
import { type EndpointInfo, plainEndpoint } from "../endpoint/endpoint-info.ts";
import { type BalancedEndpoint, Balancer, type EndpointOwner, type EndpointState } from "./balancer.ts";

class Fake implements BalancedEndpoint {
  isReady = true;
  state: EndpointState = "untried";
  isRetired = false;
  readonly info: EndpointInfo;
  readonly owner: EndpointOwner;
  constructor(info: EndpointInfo, owner: EndpointOwner) {
    this.info = info;
    this.owner = owner;
  }
  cost() {
    return 1;
  }
  doubt() {
    if (this.state === "untried") this.become("unreachable", false);
  }
  retire() {
    this.isRetired = true;
  }
  become(state: EndpointState, isReady: boolean) {
    this.state = state;
    this.isReady = isReady;
    this.owner.changed();
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
    makeEndpoint: (info, owner) => {
      const fake = new Fake(info, owner);
      made.push(fake);
      return fake;
    },
    observer: { endpoints() {}, queued() {}, gate: (isOpen) => events.push(isOpen ? "open" : "shut") },
  });
  const wait = (name: string) =>
    balancer.wait({ wake: () => events.push(`${name} woken`), failed: (e) => events.push(`${name} ${e.code}`) });
  /** What a request that comes now is told. */
  const refusal = () => {
    let message = "";
    balancer.wait({ wake: () => {}, failed: (failure) => void (message = failure.message) });
    return message;
  };
  const set = (...ips: string[]) =>
    balancer.endpoints(new Map(ips.map((ip) => [`${ip}:80`, plainEndpoint({ ip, port: 80 })])));
  return { clock, made, events, balancer, refusal, wait, set };
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

test("without endpoints the gate shuts, new requests fail at once, and one that shows itself ready opens it", () => {
  const { clock, events, made, set, wait } = setup();
  set();
  wait("a");
  clock.advance(2999);
  expect(events).toEqual([]);
  clock.advance(1);
  wait("b");
  set("10.0.0.1");
  expect(made[0].state).toBe("unreachable"); // nothing is taken for granted now
  wait("c");
  made[0].become("ready", true);
  expect(events).toEqual(["shut", "a no-endpoints", "b no-endpoints", "c fail-fast", "open"]);
});

test("a gate that is shut stays so for any time, until an endpoint shows itself ready", () => {
  const { clock, events, made, set, wait } = setup();
  set("10.0.0.1", "10.0.0.2");
  for (const endpoint of made) endpoint.become("unreachable", false);
  wait("a");
  clock.advance(3000);
  clock.advance(3_600_000);
  made[1].become("ejected", true); // a probe may pass, no more
  wait("b");
  expect(events).toEqual(["shut", "a fail-fast", "b fail-fast"]);
  made[1].become("ready", true);
  wait("c");
  made[0].become("ready", true);
  clock.advance(3000);
  expect(events.slice(3)).toEqual(["open", "c woken"]);
});

test("those who wait are woken for one that may be tried, but only one that is ready stops the gate", () => {
  const { clock, events, made, set, wait } = setup();
  set("10.0.0.1");
  made[0].become("ejected", false);
  wait("a");
  clock.advance(1000);
  made[0].become("ejected", true);
  expect(events).toEqual(["a woken"]);
  made[0].become("ejected", false);
  wait("b");
  clock.advance(1999);
  expect(events).toEqual(["a woken"]);
  clock.advance(1);
  expect(events).toEqual(["a woken", "shut", "b fail-fast"]);
});

test("the gate's time runs from the last ready endpoint, whether somebody waits or not", () => {
  const { clock, events, made, set, wait } = setup();
  set("10.0.0.1", "10.0.0.2");
  made[0].become("unreachable", false);
  clock.advance(10_000);
  made[1].become("unreachable", false);
  clock.advance(3000);
  wait("a");
  expect(events).toEqual(["shut", "a fail-fast"]);
});

test("a gate does not shut before an endpoint that nobody has tried", () => {
  const { clock, events, made, set, wait } = setup();
  wait("a");
  clock.advance(2999);
  set("10.0.0.1");
  clock.advance(60_000);
  expect(events).toEqual(["a woken"]);
  expect(made[0].state).toBe("untried");
});

test("who is refused learns how many endpoints there are, why each is not ready, and the last connect error", () => {
  const { clock, made, refusal, set } = setup();
  set("10.0.0.1", "10.0.0.2", "10.0.0.3");
  const fails = (index: number, why: string) => {
    made[index].owner.connectFailed(new RelayError("connect-refused", "server", "safe", why));
    made[index].become("unreachable", false);
  };
  fails(0, "Cannot connect to 10.0.0.1:80: ECONNREFUSED");
  made[1].become("ejected", false);
  fails(2, "Cannot connect to 10.0.0.3:80: ETIMEDOUT");
  clock.advance(3000);
  expect(refusal()).toBe(
    "Service.shop.web:80: service in fail-fast: none of 3 endpoints was ready for 3000 ms (2 cannot be reached, " +
      "1 ejected by the circuit breaker); last connect error: Cannot connect to 10.0.0.3:80: ETIMEDOUT",
  );
  made[2].become("ready", true);
  for (const endpoint of made) endpoint.become("ejected", false);
  clock.advance(3000);
  expect(refusal()).toBe(
    "Service.shop.web:80: service in fail-fast: none of 3 endpoints was ready for 3000 ms (0 cannot be reached, " +
      "3 ejected by the circuit breaker)",
  );
});

test("who is refused learns that there are no endpoints, or that nobody has told of them", () => {
  const unknown = setup();
  unknown.wait("a");
  unknown.clock.advance(3000);
  expect(unknown.refusal()).toEndWith("its endpoints are not known yet: no answer from the destination service");
  unknown.set();
  expect(unknown.refusal()).toBe("Service.shop.web:80: service in fail-fast: it has no endpoints");
});
