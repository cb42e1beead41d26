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
  const pool = new HttpPool({
    isHttp2,
    dial: (owner, outcome) => {
      dials.push({ owner, outcome });
      return { cancel: () => void events.push("cancelled") };
    },
    clock,
    maxIdle: 10,
    idleMs: 3000,
    maxWaiters: 3,
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
      failed: (failure) => events.push(`${name} ${failure.code}`),
    });
  return { clock, dials, events, pool, wait };
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
  expect(events.slice(1)).toEqual(["cancelled", "a draining", "b draining", "c draining"]);
});
