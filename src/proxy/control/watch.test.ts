import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import type { GrpcChannel, GrpcSink } from "./channel.ts";
import { Watch, type WatchOptions } from "./watch.ts";

function setup(options: Partial<WatchOptions<string>> = {}, maxMs = 1000) {
  const calls: { sink: GrpcSink; isCancelled: boolean }[] = [];
  const heard: string[] = [];
  const clock = new FakeClock();
  const channel: GrpcChannel = {
    call(_path, _request, sink) {
      const call = { sink, isCancelled: false };
      calls.push(call);
      return { cancel: () => void (call.isCancelled = true) };
    },
    close() {},
  };
  const watch = new Watch<string>(
    {
      channel,
      clock,
      random: seededRandom(1),
      backoff: { minMs: 100, maxMs, jitter: 0 },
      limits: { initialMs: 3000, idleMs: 300_000, lifetimeMs: 3_600_000 },
    },
    {
      path: "/x",
      request: new Uint8Array(0),
      decode: (bytes) => Buffer.from(bytes).toString(),
      message: (value, isFirst) => heard.push(`${value}${isFirst ? " first" : ""}`),
      missing: () => heard.push("missing"),
      refused: (status) => heard.push(`refused ${status.code}`),
      ...options,
    },
  );
  watch.start();
  return { calls, heard, clock, watch };
}

const text = (value: string) => Buffer.from(value);

test("a stream that ends is opened again after a growing delay", () => {
  const { calls, clock, heard } = setup();
  calls[0].sink.closed({ code: 14, message: "" });
  clock.advance(100);
  calls[1].sink.closed({ code: 14, message: "" });
  clock.advance(199);
  expect(calls).toHaveLength(2);
  clock.advance(1);
  expect(calls).toHaveLength(3);
  calls[2].sink.message(text("a"));
  calls[2].sink.message(text("b"));
  calls[2].sink.closed({ code: 0, message: "" });
  clock.advance(100);
  calls[3].sink.message(text("c"));
  expect(heard).toEqual(["a first", "b", "c first"]);
});

test("after a long absence the control plane is asked every five seconds, though endpoints may be left for longer", () => {
  const { calls, clock } = setup({}, 60_000);
  for (let i = 0; i < 12; i++) {
    calls[i].sink.closed({ code: 14, message: "" });
    clock.advance(Math.min(100 * 2 ** i, 5_000));
    expect(calls).toHaveLength(i + 2);
  }
});

test("a silent stream is given up at the initial limit and later at the idle limit", () => {
  const { calls, clock } = setup();
  clock.advance(3000);
  expect(calls[0].isCancelled).toBe(true);
  clock.advance(100);
  calls[1].sink.message(text("a"));
  clock.advance(299_999);
  expect(calls[1].isCancelled).toBe(false);
  clock.advance(1);
  expect(calls[1].isCancelled).toBe(true);
});

test("a refusal ends the watch, a missing thing is asked for again", () => {
  const { calls, clock, heard } = setup();
  calls[0].sink.closed({ code: 5, message: "" });
  clock.advance(100);
  calls[1].sink.closed({ code: 3, message: "" });
  clock.advance(100_000);
  expect(calls).toHaveLength(2);
  expect(heard).toEqual(["missing", "refused 3"]);
});

test("a message that cannot be read ends the stream, and it is opened again", () => {
  const { calls, clock, heard } = setup({
    decode: () => {
      throw new Error("bad bytes");
    },
  });
  calls[0].sink.message(text("a"));
  expect(calls[0].isCancelled).toBe(true);
  clock.advance(100);
  expect(calls).toHaveLength(2);
  expect(heard).toEqual([]);
});

test("a server that only ever sends garbage is asked less and less often", () => {
  const { calls, clock } = setup({
    decode: () => {
      throw new Error("no message");
    },
  });
  clock.advance(0);
  for (let i = 0; i < 100; i++) {
    calls.at(-1)!.sink.message(text("x"));
    clock.advance(100);
  }
  expect(calls.length).toBeLessThan(16); // 100 + 200 + 400 + 800 ms, then one a second
});

test("a server that answers is not away, whatever it says", () => {
  const { calls, clock, watch } = setup();
  calls[0].sink.closed({ code: 14, message: "" });
  expect(watch.isAway).toBe(true);
  clock.advance(100);
  calls[1].sink.message(text("a"));
  expect(watch.isAway).toBe(false);
  calls[1].sink.closed({ code: 14, message: "" });
  clock.advance(100);
  calls[2].sink.closed({ code: 5, message: "" });
  expect(watch.isAway).toBe(false);
});
