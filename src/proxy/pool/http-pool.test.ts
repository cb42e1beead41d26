import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { RelayError } from "../errors.ts";
import type { ClientConnection, ClientConnectionOwner } from "../relay/exchange.ts";
import { HttpPool, type PoolOutcome } from "./http-pool.ts";

class FakeConnection implements ClientConnection {
  streams = 0;
  isDrained = false;
  readonly limit: number;
  constructor(limit: number) {
    this.limit = limit;
  }
  capacity() {
    return this.limit - this.streams;
  }
  open(): never {
    throw new Error("not used here");
  }
  drain() {
    this.isDrained = true;
  }
  destroy() {}
}

function setup(isHttp2: boolean) {
  const clock = new FakeClock();
  const dials: { owner: ClientConnectionOwner; outcome: PoolOutcome }[] = [];
  const events: string[] = [];
  const messages: string[] = [];
  const pool = new HttpPool({
    peer: "10.0.0.1:80",
    isHttp2,
    dial: (owner, outcome) => {
      dials.push({ owner, outcome });
      return { cancel: () => void events.push("cancelled") };
    },
    clock,
    maxIdle: 10,
    idleMs: 3000,
    maxWaiters: 3,
    maxWaitMs: 3000,
    observer: {
      connected: () => events.push("connected"),
      connectFailed: (failure) => events.push(failure.code),
      eased: () => events.push("eased"),
    },
  });
  const wait = (name: string) =>
    pool.wait({
      opened: (connection) => {
        (connection as FakeConnection).streams++;
        events.push(`${name} opened`);
      },
      failed: (failure) => {
        events.push(`${name} ${failure.code}`);
        messages.push(failure.message);
      },
    });
  return { clock, dials, events, messages, pool, wait };
}

test("HTTP/1: one dial per waiting request, and a finished connection is used again", () => {
  const { dials, events, pool, wait } = setup(false);
  wait("a");
  wait("b");
  expect(dials).toHaveLength(2);
  const connection = new FakeConnection(1);
  dials[0].outcome.connected(connection);
  connection.streams = 0;
  pool.available(connection);
  expect(events).toEqual(["a opened", "connected", "b opened"]);
  connection.streams = 0;
  pool.available(connection);
  expect(events[3]).toBe("eased");
  expect(pool.take()).toBe(connection);
});

test("HTTP/1: a connection idle for too long is closed", () => {
  const { clock, dials, pool, wait } = setup(false);
  wait("a");
  const connection = new FakeConnection(1);
  dials[0].outcome.connected(connection);
  connection.streams = 0;
  pool.available(connection);
  clock.advance(3000);
  expect(connection.isDrained).toBe(true);
  expect(pool.take()).toBeUndefined();
});

test("HTTP/2: all waiting requests share one dial and one connection", () => {
  const { dials, events, pool, wait } = setup(true);
  wait("a");
  wait("b");
  expect(dials).toHaveLength(1);
  const connection = new FakeConnection(100);
  dials[0].outcome.connected(connection);
  expect(events).toEqual(["a opened", "b opened", "eased", "connected"]);
  expect(pool.take()).toBe(connection);
  pool.gone(connection);
  expect(pool.take()).toBeUndefined();
});

test("a failed dial is told first to the owner, then to those who wait", () => {
  const { dials, events, wait } = setup(true);
  wait("a");
  dials[0].outcome.failed(new RelayError("connect-refused", "server", "safe", "refused"));
  expect(events).toEqual(["connect-refused", "a connect-refused"]);
});

test("a probe dials though nobody waits, once at a time, and its connection is there for the next request", () => {
  const { dials, events, pool } = setup(false);
  pool.probe();
  pool.probe();
  expect(dials).toHaveLength(1);
  const connection = new FakeConnection(1);
  dials[0].outcome.connected(connection);
  expect(events).toEqual(["eased", "connected"]);
  expect(pool.hasRoom).toBe(true);
  expect(pool.take()).toBe(connection);
  expect(pool.hasRoom).toBe(false);
  pool.retire();
  pool.probe();
  expect(dials).toHaveLength(1);
});

test("a request that no longer waits makes room", () => {
  const { events, pool, wait } = setup(true);
  const waiter = { opened() {}, failed() {} };
  pool.wait(waiter);
  wait("a");
  expect(pool.waitingCount).toBe(2);
  pool.cancelWait(waiter);
  pool.cancelWait(waiter);
  expect(pool.waitingCount).toBe(1);
  expect(events).toEqual(["eased"]);
});

test("requests beyond the limit are shed, and retiring fails those who wait", () => {
  const { events, pool, wait } = setup(true);
  for (const name of ["a", "b", "c", "d"]) wait(name);
  expect(events).toEqual(["d load-shed"]);
  pool.retire();
  wait("late");
  expect(events.slice(1)).toEqual(["cancelled", "a draining", "b draining", "c draining", "late draining"]);
});

test("HTTP/2: connections are added while requests wait, one at a time and four at most", () => {
  const { dials, events, pool, wait } = setup(true);
  wait("a");
  wait("b");
  wait("c");
  for (let made = 1; made <= 3; made++) {
    expect(dials).toHaveLength(made);
    dials[made - 1].outcome.connected(new FakeConnection(1));
  }
  expect(dials).toHaveLength(3); // nobody waits any more
  wait("d");
  dials[3].outcome.connected(new FakeConnection(1));
  wait("e");
  pool.probe();
  expect(dials).toHaveLength(4);
  expect(events.filter((event) => event.endsWith("opened"))).toEqual(["a opened", "b opened", "c opened", "d opened"]);
});

test("HTTP/2: with every connection full a request waits for a stream, and fails when none becomes free in time", () => {
  const { clock, dials, events, messages, pool, wait } = setup(true);
  const connections = [1, 2, 3, 4].map(() => new FakeConnection(1));
  for (const [index, connection] of connections.entries()) {
    wait(`held ${index}`);
    dials[index].outcome.connected(connection);
  }
  events.splice(0);
  wait("a");
  clock.advance(1000);
  wait("b");
  clock.advance(1000);
  wait("c");
  clock.advance(999);
  expect(events).toEqual([]);
  clock.advance(1);
  connections[2].streams = 0;
  pool.available(connections[2]);
  clock.advance(1999);
  expect(events).toEqual(["a fail-fast", "eased", "b opened"]);
  clock.advance(1);
  expect(events).toEqual(["a fail-fast", "eased", "b opened", "c fail-fast", "eased"]);
  expect(messages[0]).toBe(
    "10.0.0.1:80: no stream became free for 3000 ms: each of 4 connections carries all that the peer allows",
  );
});

test("HTTP/2: how many requests wait for a stream is limited", () => {
  const { dials, events, messages, wait } = setup(true);
  for (let index = 0; index < 4; index++) {
    wait("held");
    dials[index].outcome.connected(new FakeConnection(1));
  }
  events.splice(0);
  for (const name of ["a", "b", "c", "d"]) wait(name);
  expect(events).toEqual(["d load-shed"]);
  expect(messages).toEqual(["10.0.0.1:80: 3 requests wait for a connection, which is the limit"]);
});

test("a dial that takes too long fails who waits for it, once", () => {
  const { clock, dials, events, messages, wait } = setup(false);
  wait("a");
  clock.advance(3000);
  expect(messages).toEqual(["10.0.0.1:80: no connection within 3000 ms"]);
  dials[0].outcome.failed(new RelayError("connect-timeout", "server", "safe", "late"));
  expect(events).toEqual(["a fail-fast", "eased", "connect-timeout"]);
});

test("who waits gets a connection of its own though one has room, but not a fifth one", () => {
  const { dials, events, pool, wait } = setup(true);
  const connections = [1, 2, 3, 4].map(() => new FakeConnection(10));
  for (const [index, connection] of connections.entries()) {
    wait(`${index}`);
    expect(dials).toHaveLength(index + 1);
    dials[index].outcome.connected(connection);
  }
  events.length = 0;
  wait("late");
  expect(dials).toHaveLength(4);
  expect([events, pool.waitingCount]).toEqual([["late opened"], 0]);
});
