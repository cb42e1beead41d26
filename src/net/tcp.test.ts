import { expect, test } from "bun:test";
import { connect } from "node:net";
import { listenTcp, onHandlerFailure } from "./tcp.ts";

test("connections that are reset before they are accepted are not counted for ever", async () => {
  const failures: string[] = [];
  onHandlerFailure((failure) => failures.push(failure.message));
  const listener = listenTcp({
    hostname: "127.0.0.1",
    port: 0,
    accept: (transport) => {
      transport.handler = { data() {}, drain() {}, end: () => transport.close(), closed() {} };
    },
  });
  const resets = Array.from(
    { length: 100 },
    () =>
      new Promise<void>((resolve) => {
        const socket = connect(listener.address.port, "127.0.0.1", () => socket.resetAndDestroy());
        socket.on("error", () => {});
        socket.on("close", () => resolve());
      }),
  );
  await Promise.all(resets);
  for (let i = 0; i < 500 && listener.connectionCount() > 0; i++) await Bun.sleep(2);
  expect(listener.connectionCount()).toBe(0);
  expect(failures).toEqual([]);
  listener.stop();
  onHandlerFailure(() => {});
});
