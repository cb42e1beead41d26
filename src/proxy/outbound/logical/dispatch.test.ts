import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { HTTP_2, LENGTH_UNKNOWN } from "#message";
import { FakePeers, notingClient, plainSet, requestNamed } from "../../../../test/support/fake-peers.ts";
import { RelayError } from "../../errors.ts";
import { ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import type { RequestSink } from "../../relay/exchange.ts";
import type { EndpointListener } from "../concrete/endpoint-sets.ts";
import { type AccrualOptions, HttpConcrete } from "../concrete/http-concrete.ts";
import { TcpConcrete } from "../concrete/tcp-concrete.ts";
import type { Target } from "../discover.ts";
import { plainEndpoint } from "../endpoint/endpoint-info.ts";
import { forwardPolicy } from "./compile.ts";
import { OutboundHttp } from "./http.ts";

/** A service with a real route, balancer and pools, whose peers do what the test says. */
function setup(accrual?: AccrualOptions) {
  const clock = new FakeClock();
  const events: string[] = [];
  const peers = new FakePeers(events);
  const queue = { length: 0 };
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
    observer: {
      endpoints() {},
      queued: (length: number) => void (queue.length = length),
      gate: (isOpen: boolean) => void events.push(isOpen ? "open" : "shut"),
    },
    accrual,
    maxIdle: 10,
    poolIdleMs: 60_000,
    subscribe: (subscribed: EndpointListener) => {
      listener = subscribed;
      return () => {};
    },
  };
  const concrete = new HttpConcrete(deps);
  const set = (...ips: string[]) => listener!.endpoints(plainSet(...ips));
  const concretes = {
    http: () => concrete,
    tcp: () => new TcpConcrete(() => ({ ...deps, forward: undefined, subscribe: () => () => {} })),
  };
  const dst = { ip: "10.96.0.1", port: 80 };
  const current = forwardPolicy(plainEndpoint(dst), "fallback", concretes);
  const inFlight = { count: 0 };
  const http = new OutboundHttp(
    { dst, current } as unknown as Target,
    { clock, random: seededRandom(1), metrics, emitsDetail: true, maxInFlight: 100 },
    inFlight,
  );
  const send = (name: string, more = {}) => http.request(requestNamed(name, more), notingClient(name, events));
  /** Sends a request whose body the test says to what this returns. */
  const post = (name: string): RequestSink => {
    let body!: RequestSink;
    const client = notingClient(name, events, (sink) => void (body ??= sink));
    http.request(requestNamed(name, { bodyLength: LENGTH_UNKNOWN }), client);
    return body;
  };
  return { clock, concrete, events, inFlight, metrics, peers, post, queue, send, set };
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
  send("a");
  clock.advance(2000);
  set("10.0.0.1");
  clock.advance(2000);
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

test("while every endpoint refuses, requests fail at once, and the proxy itself finds out when one is back", () => {
  const { clock, events, peers, send, set } = setup();
  set("10.0.0.1", "10.0.0.2");
  send("a");
  peers.refuse(peers.dialled[0]);
  peers.refuse(peers.dialled[0]);
  for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 100) {
    clock.advance(100);
    for (const ip of peers.dialled) peers.refuse(ip); // probes
  }
  expect(withoutDials(events)).toEqual(["shut", "a 504"]);
  const dialCount = events.length;
  send("b");
  send("c");
  expect(events.slice(dialCount).map(withoutWhy)).toEqual(["b 504", "c 504"]);
  clock.advance(10_000);
  peers.accept("10.0.0.2");
  expect(events.slice(-1)).toEqual(["open"]);
  send("d");
  peers.connections[0].answer();
  expect(events.slice(-3)).toEqual(["open", "d sent to 10.0.0.2", "d 200"]);
});

test("requests that wait while every endpoint refuses are sent when a probe succeeds", () => {
  const { clock, events, peers, send, set } = setup();
  set("10.0.0.1");
  send("a", { version: HTTP_2 });
  peers.refuse("10.0.0.1");
  send("b", { version: HTTP_2 });
  expect(peers.dialled).toEqual([]);
  clock.advance(100);
  expect(peers.dialled).toEqual(["10.0.0.1"]);
  peers.maxStreams = 2;
  const connection = peers.accept("10.0.0.1");
  connection.answer();
  connection.answer();
  expect(withoutDials(events)).toEqual(["a sent to 10.0.0.1", "b sent to 10.0.0.1", "a 200", "b 200"]);
});

test("while the breaker keeps the only endpoint out, requests fail at once but for one probe at a time", () => {
  const { clock, events, peers, send, set } = setup({
    maxFailures: 1,
    backoff: { minMs: 10_000, maxMs: 20_000, jitter: 0 },
  });
  set("10.0.0.1");
  send("a");
  const connection = peers.accept("10.0.0.1");
  connection.answer(500);
  send("b");
  clock.advance(9_999);
  send("c");
  clock.advance(1);
  for (const name of ["d", "e"]) send(name);
  connection.answer(503);
  send("f");
  clock.advance(20_000);
  for (const name of ["g", "h"]) send(name);
  expect(withoutDials(events).map(withoutWhy)).toEqual([
    ...["a sent to 10.0.0.1", "a 500", "shut", "b 504", "c 504"],
    ...["d sent to 10.0.0.1", "e 504", "d 503", "f 504"],
    ...["g sent to 10.0.0.1", "h 504"],
  ]);
  connection.answer(200);
  send("i");
  expect(events.slice(-3)).toEqual(["g 200", "open", "i sent to 10.0.0.1"]);
});

test("a request that waits for an ejected endpoint is its probe, as soon as one may pass", () => {
  const { clock, events, peers, send, set } = setup({
    maxFailures: 1,
    backoff: { minMs: 1000, maxMs: 1000, jitter: 0 },
  });
  set("10.0.0.1");
  send("a");
  const connection = peers.accept("10.0.0.1");
  connection.answer(500);
  for (const name of ["b", "c"]) send(name);
  clock.advance(1000);
  expect(events.slice(3)).toEqual(["b sent to 10.0.0.1"]);
  connection.answer();
  peers.accept("10.0.0.1");
  expect(withoutDials(events.slice(4))).toEqual(["b 200", "c sent to 10.0.0.1"]);
});

test("a breaker's probe that waits for its connection is the only one, and one that waits too long makes way", () => {
  const { clock, events, peers, send, set } = setup({
    maxFailures: 1,
    backoff: { minMs: 10_000, maxMs: 10_000, jitter: 0 },
  });
  set("10.0.0.1");
  send("a");
  const connection = peers.accept("10.0.0.1");
  connection.answer(500);
  connection.close();
  clock.advance(10_000);
  for (const name of ["b", "c"]) send(name);
  expect(peers.dialled).toEqual(["10.0.0.1"]);
  expect(withoutDials(events.slice(3))).toEqual(["shut", "c 504"]);
  clock.advance(3000);
  send("d");
  peers.accept("10.0.0.1").answer();
  expect(withoutDials(events.slice(6))).toEqual(["b 504", "d sent to 10.0.0.1", "d 200", "open"]);
});

test("an endpoint that takes no more connections is still used by those that it has", () => {
  const { events, peers, send, set } = setup();
  set("10.0.0.1");
  send("a");
  const connection = peers.accept("10.0.0.1");
  send("b");
  peers.refuse("10.0.0.1");
  expect(peers.dialled).toEqual([]);
  connection.answer();
  connection.answer();
  expect(withoutDials(events)).toEqual(["a sent to 10.0.0.1", "a 200", "b sent to 10.0.0.1", "b 200"]);
});

test.each(["connect-refused", "tls-failed"] as const)(
  "a request goes on to other endpoints when one fails with %s, to each once, and is counted once",
  (code) => {
    const { events, metrics, peers, send, set } = setup();
    set("10.0.0.1", "10.0.0.2", "10.0.0.3");
    send("a");
    peers.refuse(peers.dialled[0], code);
    peers.refuse(peers.dialled[0], code);
    const [last] = peers.dialled;
    peers.accept(last).answer();
    expect(events.slice(0, 3).sort()).toEqual(["dial 10.0.0.1", "dial 10.0.0.2", "dial 10.0.0.3"]);
    expect(events.slice(3)).toEqual([`a sent to ${last}`, "a 200"]);
    expect(metrics.registry.render()).toContain("\nrequest_total 1\n");
  },
);

test("an endpoint that failed once is tried again when it has become ready since", () => {
  const { clock, events, peers, send, set } = setup();
  set("10.0.0.1", "10.0.0.2");
  for (const name of ["a", "b"]) send(name);
  while (peers.dialled.length > 0) peers.refuse(peers.dialled[0]);
  clock.advance(100);
  peers.accept("10.0.0.2"); // a probe's: one request takes it, the other one dials
  expect(peers.dialled).toEqual(["10.0.0.1", "10.0.0.2"]);
  peers.accept("10.0.0.1");
  peers.refuse("10.0.0.2");
  for (const connection of peers.connections) connection.answer();
  expect(events.filter((event) => event.endsWith(" 200")).sort()).toEqual(["a 200", "b 200"]);
});

test("an endpoint that answers on one protocol and refuses the other is not tried again and again", () => {
  const { events, peers, send, set } = setup();
  peers.maxStreams = 10;
  set("10.0.0.1");
  send("a", { version: HTTP_2 });
  peers.accept("10.0.0.1");
  send("b");
  peers.refuse("10.0.0.1");
  expect(peers.dialled).toEqual([]);
  expect(events.slice(-1)).toEqual(["b 502: Cannot connect to 10.0.0.1:80: connect-refused"]);
});

test("requests spread over endpoints while none of them has a connection yet", () => {
  const { peers, send, set } = setup();
  set("10.0.0.1", "10.0.0.2");
  for (let index = 0; index < 20; index++) send(`${index}`);
  expect(peers.dialled.filter((ip) => ip === "10.0.0.1")).toHaveLength(10);
});

test("a request that waits for a connection waits no longer than for an endpoint", () => {
  const { clock, events, inFlight, peers, send, set } = setup();
  set("10.0.0.1");
  send("a");
  clock.advance(2999);
  expect(events).toEqual(["dial 10.0.0.1"]);
  clock.advance(1);
  peers.accept("10.0.0.1");
  expect(events.slice(1)).toEqual(["a 504: 10.0.0.1:80: no connection within 3000 ms"]);
  expect(inFlight.count).toBe(0);
});

test("a request that no endpoint takes in time fails with why the last one did not", () => {
  const { clock, events, peers, send, set } = setup();
  send("a");
  clock.advance(2000);
  set("10.0.0.1", "10.0.0.2");
  clock.advance(1000);
  const [slow] = peers.dialled;
  peers.refuse(slow);
  expect(events.slice(1)).toEqual([`a 502: Cannot connect to ${slow}:80: connect-refused`]);
});

test("a request that its peer refused goes to each other endpoint once, then once more to the last one", () => {
  const { events, inFlight, metrics, peers, send, set } = setup();
  set("10.0.0.1", "10.0.0.2");
  send("a");
  const [one] = peers.dialled;
  peers.accept(one).refuse();
  const [two] = peers.dialled;
  expect(two).not.toBe(one);
  peers.accept(two).refuse();
  peers.accept(two).answer();
  const sent = [`a sent to ${one}`, `a sent to ${two}`, `a sent to ${two}`];
  expect(withoutDials(events)).toEqual([...sent, "a 200"]);
  expect(inFlight.count).toBe(0);
  const rendered = metrics.registry.render();
  expect(rendered).toContain("\nrequest_total 1\n");
  expect(rendered).not.toContain('classification="failure"');
});

test("peers that refuse a request every time end it after four of them", () => {
  const { events, inFlight, peers, send, set } = setup();
  set(...[1, 2, 3, 4, 5, 6].map((last) => `10.0.0.${last}`));
  send("a");
  for (let count = 1; count <= 4; count++) peers.accept(peers.dialled[0]).refuse();
  expect(peers.dialled).toEqual([]);
  expect(new Set(events.filter((event) => event.includes("sent to"))).size).toBe(4);
  expect(withoutWhy(events.slice(-1)[0])).toBe("a 502");
  expect(inFlight.count).toBe(0);
});

test("after a connection that had been closed, another idle one of the same peer is not trusted", () => {
  const { events, peers, send, set } = setup();
  set("10.0.0.1");
  for (const name of ["a", "b"]) send(name);
  const idle = [peers.accept("10.0.0.1"), peers.accept("10.0.0.1")];
  for (const connection of idle) connection.answer();
  events.length = 0;
  send("c");
  idle[1].wasClosed();
  expect(events).toEqual(["c sent to 10.0.0.1", "dial 10.0.0.1"]);
  idle[0].close();
  peers.accept("10.0.0.1").answer();
  expect(events.slice(2)).toEqual(["c sent to 10.0.0.1", "c 200"]);
});

test.each(["if-unsent", "never"] as const)("a request that its peer may have processed (%s) is sent once", (retry) => {
  const { events, peers, send, set } = setup();
  set("10.0.0.1", "10.0.0.2");
  send("a");
  peers.accept(peers.dialled[0]).refuse(retry);
  expect(peers.dialled).toEqual([]);
  expect(events.map(withoutWhy).slice(-1)).toEqual(["a 502"]);
});

test("a request that has been answered with 100 or more is not sent again", () => {
  const { events, peers, send, set } = setup();
  set("10.0.0.1", "10.0.0.2");
  send("a");
  const connection = peers.accept(peers.dialled[0]);
  connection.interim();
  connection.refuse();
  expect(peers.dialled).toEqual([]);
  expect(events.map(withoutWhy).slice(-1)).toEqual(["a 502"]);
});

test("a short body is said again, and what comes of it in between waits", () => {
  const { events, peers, post, send, set } = setup();
  set("10.0.0.1");
  send("first");
  const connection = peers.accept("10.0.0.1");
  connection.answer();
  const body = post("a");
  expect(body.body(Buffer.from("one"), 0, 3)).toBe(true);
  connection.wasClosed();
  expect(body.body(Buffer.from("two"), 0, 3)).toBe(false);
  const next = peers.accept("10.0.0.1");
  body.body(Buffer.from("three"), 0, 5);
  body.end(null);
  expect(next.said).toBe("onetwothree;");
  next.refuse("never");
  expect(events.map(withoutWhy).slice(-1)).toEqual(["a 502"]);
});

test("a request with more of a body than is kept is not sent again", () => {
  const { events, peers, post, send, set } = setup();
  set("10.0.0.1");
  send("first");
  const connection = peers.accept("10.0.0.1");
  connection.answer();
  const body = post("a");
  body.body(Buffer.alloc(4096, "x"), 0, 4096);
  body.body(Buffer.from("y"), 0, 1);
  connection.wasClosed();
  expect(peers.dialled).toEqual([]);
  expect(events.map(withoutWhy).slice(-1)).toEqual(["a 502"]);
});

test("a client that leaves while its request is between two peers takes it along", () => {
  const { events, inFlight, peers, post, send, set } = setup();
  set("10.0.0.1");
  send("first");
  const connection = peers.accept("10.0.0.1");
  connection.answer();
  const body = post("a");
  connection.wasClosed();
  body.abort(new RelayError("client-gone", "client", "never", "left"));
  expect(inFlight.count).toBe(0);
  events.length = 0;
  peers.accept("10.0.0.1");
  expect(events).toEqual([]);
});

test("a client that leaves while its request waits gives its place back, and nothing is sent", () => {
  const { concrete, events, inFlight, peers, post, queue, set } = setup();
  const left = new RelayError("client-gone", "client", "never", "left");
  const first = post("a");
  expect(queue.length).toBe(1);
  first.abort(left);
  expect([queue.length, inFlight.count]).toEqual([0, 0]);
  set("10.0.0.1");
  const second = post("b");
  const pool = concrete.balancer.pick()!.poolFor(requestNamed("b"));
  expect(pool.waitingCount).toBe(1);
  second.abort(left);
  expect([pool.waitingCount, inFlight.count]).toEqual([0, 0]);
  peers.accept("10.0.0.1");
  expect(events).toEqual(["dial 10.0.0.1"]);
});

const withoutDials = (events: readonly string[]) => events.filter((event) => !event.startsWith("dial")).map(withoutWhy);
const withoutWhy = (event: string) => event.replace(/:.*/, "");
