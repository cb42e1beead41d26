import { afterAll, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { systemClock } from "#lib/clock";
import { listenTcp } from "#net/tcp";
import { Live } from "../accept/live.ts";
import { defaultPolicy, invalidPolicy } from "../inbound/compile.ts";
import { Ticker } from "../relay/ticker.ts";
import { AdminServer } from "./server.ts";

const LOCAL_ONLY = defaultPolicy("deny", [], 1000, true);
let policy = LOCAL_ONLY;
const live = new Live();
const admin = new AdminServer({
  config: { inbound: { http2: {} } } as never,
  clock: systemClock,
  identity: { name: "web.shop", isReady: true } as never,
  policy: {
    get current() {
      return policy;
    },
    onChange: () => () => {},
    release() {},
  },
  live,
  ticker: new Ticker(systemClock),
  isReady: () => true,
  renderMetrics: () => "",
  shutdown: undefined,
  env: () => ({}),
  logFilter: { get: () => "", set: () => undefined },
});
const listener = listenTcp({ hostname: "127.0.0.1", port: 0, accept: (one) => admin.accept(one) });

afterAll(() => {
  listener.stop();
  live.destroy();
});

function ask(path: string): Promise<number> {
  return fetch(`http://127.0.0.1:${listener.address.port}${path}`, { keepalive: false }).then(({ status }) => status);
}

test("probes are answered whatever the policy of the port is, all else is not", async () => {
  for (const [current, refusal] of [
    [LOCAL_ONLY, 404],
    [invalidPolicy("cannot be read"), 500],
  ] as const) {
    policy = current;
    expect([await ask("/live"), await ask("/ready"), await ask("/metrics")]).toEqual([200, 200, refusal]);
  }
});

test("whoever holds hundreds of connections does not keep the kubelet out", async () => {
  const held: Socket[] = [];
  for (let i = 0; i < 300; i++) {
    await new Promise<void>((resolve) => {
      const socket = connect(listener.address.port, "127.0.0.1", () =>
        socket.write("GET /live HTTP/1.1\r\nhost: a\r\n\r\n"),
      );
      socket.on("error", () => {});
      socket.once("data", () => resolve());
      held.push(socket);
    });
  }
  expect(await ask("/live")).toBe(200);
  expect(listener.connectionCount()).toBeLessThanOrEqual(193);
  for (const socket of held) socket.destroy();
});
