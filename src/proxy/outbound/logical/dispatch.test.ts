import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { FakePeers, notingClient, plainSet, requestNamed } from "../../../../test/support/fake-peers.ts";
import { ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import type { EndpointListener } from "../concrete/endpoint-sets.ts";
import { HttpConcrete } from "../concrete/http-concrete.ts";
import { TcpConcrete } from "../concrete/tcp-concrete.ts";
import type { Target } from "../discover.ts";
import { plainEndpoint } from "../endpoint/endpoint-info.ts";
import { forwardPolicy } from "./compile.ts";
import { OutboundHttp } from "./http.ts";

/** A service with a real route, balancer and pools, whose peers do what the test says. */
function setup() {
  const clock = new FakeClock();
  const events: string[] = [];
  const peers = new FakePeers(events);
  const metrics = new ProxyMetrics();
  let listener: EndpointListener | undefined;
  const deps = {
    name: "backend web",
    clock,
    random: seededRandom(1),
    connector: peers,
    dialer: peers,
    metrics,
    queueCapacity: 100,
    failfastMs: 3000,
    connectBackoff: { minMs: 100, maxMs: 10_000, jitter: 0 },
    load: { defaultRttMs: 30, decayMs: 10_000 },
    observer: { endpoints() {}, queued() {}, gate() {} },
    accrual: undefined,
    maxIdle: 10,
    poolIdleMs: 60_000,
    subscribe: (subscribed: EndpointListener) => {
      listener = subscribed;
      return () => {};
    },
  };
  const concrete = new HttpConcrete(deps);
  const set = (...ips: string[]) => listener!.endpoints(plainSet(...ips));
  const concretes = { http: () => concrete, tcp: () => new TcpConcrete({ ...deps, subscribe: () => () => {} }) };
  const dst = { ip: "10.96.0.1", port: 80 };
  const current = forwardPolicy(plainEndpoint(dst), "fallback", concretes);
  const inFlight = { count: 0 };
  const http = new OutboundHttp(
    { dst, current } as unknown as Target,
    { clock, random: seededRandom(1), metrics, emitsDetail: true, maxInFlight: 100 },
    inFlight,
  );
  const send = (name: string, more = {}) => http.request(requestNamed(name, more), notingClient(name, events));
  return { clock, concrete, events, inFlight, peers, send, set };
}

test("an endpoint that leaves hands what waits for its connection to one that stays", () => {
  const { events, peers, send, set } = setup();
  set("10.0.0.1");
  send("a");
  send("b");
  expect(peers.dialled).toEqual(["10.0.0.1", "10.0.0.1"]);
  set("10.0.0.2");
  expect(peers.dialled).toEqual(["10.0.0.2", "10.0.0.2"]);
  const both = [peers.accept("10.0.0.2"), peers.accept("10.0.0.2")];
  for (const connection of both) connection.answer();
  expect(events.slice(4)).toEqual(["a sent to 10.0.0.2", "b sent to 10.0.0.2", "a 200", "b 200"]);
});

test("when the last endpoint leaves, what waits for its connection waits for a new one", () => {
  const { clock, events, peers, send, set } = setup();
  set("10.0.0.1");
  send("a");
  clock.advance(2000);
  set();
  expect(events).toEqual(["dial 10.0.0.1"]);
  set("10.0.0.2");
  peers.accept("10.0.0.2").answer();
  expect(events.slice(1)).toEqual(["dial 10.0.0.2", "a sent to 10.0.0.2", "a 200"]);
});

test("an endpoint that leaves after a long wait is no reason to fail either", () => {
  const { clock, events, peers, send, set } = setup();
  set("10.0.0.1");
  send("a");
  clock.advance(5000);
  set("10.0.0.2");
  peers.accept("10.0.0.2").answer();
  expect(events.slice(-1)).toEqual(["a 200"]);
});

test("a backend that is taken away fails what waits, once, whether for an endpoint or for a connection", () => {
  const { concrete, events, inFlight, send, set } = setup();
  send("a");
  set("10.0.0.1");
  concrete.close();
  send("b");
  expect(events.filter((event) => !event.startsWith("dial"))).toEqual([
    "a 503: backend web: the backend was taken away",
    "b 503: backend web: the backend was taken away",
  ]);
  expect(inFlight.count).toBe(0);
});
