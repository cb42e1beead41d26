import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { type FakeConnection, FakePeers, plainSet } from "../../../../test/support/fake-peers.ts";
import { type EndpointInfo, plainEndpoint } from "../endpoint/endpoint-info.ts";
import type { EndpointListener } from "./endpoint-sets.ts";
import { TcpConcrete } from "./tcp-concrete.ts";

function setup(forward?: EndpointInfo) {
  const clock = new FakeClock();
  const events: string[] = [];
  const peers = new FakePeers(events);
  let listener: EndpointListener | undefined;
  let current: ReturnType<typeof plainSet> | undefined;
  const concrete = new TcpConcrete(() => ({
    name: "backend db",
    clock,
    random: seededRandom(1),
    connector: peers,
    forward,
    queueCapacity: 100,
    failfastMs: 3000,
    connectBackoff: { minMs: 100, maxMs: 10_000, jitter: 0 },
    load: { defaultRttMs: 30, decayMs: 10_000 },
    observer: { endpoints() {}, queued() {}, gate() {} },
    subscribe: (subscribed) => {
      listener = subscribed;
      if (current) subscribed.endpoints(current);
      return () => {};
    },
  }));
  const set = (...ips: string[]) => {
    current = plainSet(...ips);
    listener?.endpoints(current);
  };
  const connect = (name: string) =>
    concrete.connect({
      connected: (transport) => void events.push(`${name} to ${(transport as unknown as FakeConnection).ip}`),
      failed: (failure) => void events.push(`${name} ${failure.code}: ${failure.message}`),
    });
  return { clock, concrete, connect, events, peers, set };
}

test("an endpoint that leaves hands the connections being made to one that stays", () => {
  const { connect, events, peers, set } = setup();
  set("10.0.0.1");
  connect("a");
  set("10.0.0.2");
  expect(peers.dialled).toEqual(["10.0.0.2"]);
  peers.accept("10.0.0.2");
  expect(events).toEqual(["dial 10.0.0.1", "dial 10.0.0.2", "a to 10.0.0.2"]);
});

test("a client that leaves takes its connection attempt away", () => {
  const { connect, events, peers, set } = setup();
  set("10.0.0.1");
  const attempt = connect("a");
  attempt.cancel();
  expect(peers.dialled).toEqual([]);
  set("10.0.0.2");
  expect(events).toEqual(["dial 10.0.0.1"]);
});

test("a backend that is taken away fails the connections being made, once", () => {
  const { concrete, connect, events, set } = setup();
  set("10.0.0.1");
  connect("a");
  concrete.close();
  expect(events.slice(1)).toEqual(["a draining: backend db: the backend was taken away"]);
});

test("a refused connection goes to another endpoint at once, and each is tried once", () => {
  const { connect, events, peers, set } = setup();
  set("10.0.0.1", "10.0.0.2", "10.0.0.3");
  connect("a");
  const tried: string[] = [];
  for (let tries = 0; tries < 3; tries++) {
    tried.push(...peers.dialled);
    peers.refuse(peers.dialled[0]);
  }
  expect(tried.sort()).toEqual(["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
  expect(peers.dialled).toEqual([]);
  expect(events).toHaveLength(3); // it waits
});

test("with every endpoint down, clients wait for a probe to succeed, later ones fail at once", () => {
  const { clock, connect, events, peers, set } = setup();
  set("10.0.0.1");
  connect("a");
  peers.refuse("10.0.0.1");
  clock.advance(100);
  const probe = peers.accept("10.0.0.1");
  expect(probe.ending).toBe("closed");
  peers.accept("10.0.0.1");
  expect(events.slice(-1)).toEqual(["a to 10.0.0.1"]);
  connect("b");
  peers.refuse("10.0.0.1");
  for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 100) {
    clock.advance(100);
    for (const ip of peers.dialled) peers.refuse(ip);
  }
  const dialCount = events.filter((event) => event.startsWith("dial")).length;
  connect("c");
  expect(events.slice(-1).map((event) => event.replace(/:.*/, ""))).toEqual(["c fail-fast"]);
  expect(events.filter((event) => event.startsWith("dial"))).toHaveLength(dialCount);
});

test("where there is one endpoint and can be no other, a refused connection fails at once, and nobody probes", () => {
  const address = { ip: "10.0.0.9", port: 80 };
  const { clock, connect, events, peers } = setup(plainEndpoint(address));
  for (const name of ["a", "b"]) {
    connect(name);
    peers.refuse("10.0.0.9");
  }
  clock.advance(60_000);
  const refused = "connect-refused: Cannot connect to 10.0.0.9:80: connect-refused";
  expect(events).toEqual(["dial 10.0.0.9", `a ${refused}`, "dial 10.0.0.9", `b ${refused}`]);
});

test("an endpoint that left is not probed any more", () => {
  const { clock, connect, events, peers, set } = setup();
  set("10.0.0.1");
  connect("a");
  peers.refuse("10.0.0.1");
  set("10.0.0.2");
  peers.accept("10.0.0.2");
  clock.advance(60_000);
  expect(events).toEqual(["dial 10.0.0.1", "dial 10.0.0.2", "a to 10.0.0.2"]);
});

test("a client that comes when the backend was taken away is told so", () => {
  const { concrete, connect, events, peers, set } = setup();
  set("10.0.0.1");
  concrete.close();
  connect("a");
  expect(peers.dialled).toEqual([]);
  expect(events).toEqual([expect.stringContaining("a draining")]);
});
