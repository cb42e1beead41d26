import { expect, test } from "bun:test";
import { type Flushable, TurnQueue } from "./turn.ts";

function connection(log: string[], name: string, whenFlushed: () => void = () => {}): Flushable {
  return {
    isDirty: false,
    flush() {
      log.push(name);
      whenFlushed();
    },
  };
}

test("connections are flushed once each, in the order they became dirty", () => {
  const deferred: (() => void)[] = [];
  const turn = new TurnQueue((run) => deferred.push(run));
  const log: string[] = [];
  const [a, b] = [connection(log, "a"), connection(log, "b")];
  for (const one of [b, a, b, a, a]) turn.markDirty(one);
  expect(deferred.length).toBe(1);
  expect(log).toEqual([]);
  deferred.shift()!();
  expect(log).toEqual(["b", "a"]);
  expect(a.isDirty || b.isDirty).toBe(false);
});

test("what becomes dirty during a flush waits for the next turn", () => {
  const deferred: (() => void)[] = [];
  const turn = new TurnQueue((run) => deferred.push(run));
  const log: string[] = [];
  const second = connection(log, "second");
  const first = connection(log, "first", () => turn.markDirty(second));
  turn.markDirty(first);
  deferred.shift()!();
  expect(log).toEqual(["first"]);
  deferred.shift()!();
  expect(log).toEqual(["first", "second"]);
  expect(deferred.length).toBe(0);
});

test("a flush that throws does not take its neighbours along", () => {
  const deferred: (() => void)[] = [];
  const turn = new TurnQueue((run) => deferred.push(run));
  const log: string[] = [];
  const broken = connection(log, "broken", () => {
    throw new Error("our mistake");
  });
  turn.markDirty(broken);
  turn.markDirty(connection(log, "sound"));
  expect(() => deferred.shift()!()).toThrow("our mistake");
  deferred.shift()!();
  expect(log).toEqual(["broken", "sound"]);
});
