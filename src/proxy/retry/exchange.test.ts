import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { notingClient } from "../../../test/support/fake-peers.ts";
import { RelayError } from "../errors.ts";
import type { RequestSink } from "../relay/exchange.ts";
import { RetryingExchange } from "./exchange.ts";

test("a client that leaves is told to the attempt that waits to be sent, and its body is kept for it", () => {
  const heard: string[] = [];
  const waiting: RequestSink = {
    body: () => heard.push("body") > 0,
    end: () => void heard.push("end"),
    abort: (cause) => void heard.push(cause.code),
    resumeResponse() {},
  };
  let client!: RequestSink;
  new RetryingExchange(
    notingClient("a", heard, (sink) => void (client = sink)),
    {
      policy: {
        maxRetries: 1,
        maxRequestBytes: 100,
        statusRanges: [],
        grpcCodes: new Set(),
        headersTimeoutMs: 0,
        backoff: { minMs: 1, maxMs: 1, jitter: 0 },
      },
      isGrpc: false,
      clock: new FakeClock(),
      random: seededRandom(1),
      attempt: (stream) => stream.watch(waiting),
      observer: { retried() {}, succeeded() {}, limitExceeded() {}, overflowed() {} },
      done: () => void heard.push("done"),
    },
  ).start();
  expect(client.body(Buffer.from("body"), 0, 4)).toBe(true);
  client.abort(new RelayError("client-gone", "client", "never", "left"));
  expect(heard).toEqual(["client-gone", "done"]);
});
