import { expect, test } from "bun:test";
import { connect } from "node:net";
import { listenTcp, onHandlerFailure } from "./tcp.ts";

/** Connects and resets at once, ten times. Run while the listener's own process stands still, so that it accepts too late. */
const CONNECT_AND_RESET = `
  const { connect } = require("node:net");
  for (let i = 0; i < 10; i++) {
    const socket = connect(Number(process.argv.at(-1)), "127.0.0.1", () => socket.resetAndDestroy());
    socket.on("error", () => {});
  }
`;

test("connections that are reset before they are accepted are not counted for ever", async () => {
  const failures: string[] = [];
  onHandlerFailure((failure) => failures.push(failure.message));
  let accepted = 0;
  const listener = listenTcp({
    hostname: "127.0.0.1",
    port: 0,
    accept: (transport) => {
      accepted++;
      transport.handler = { data() {}, drain() {}, end: () => transport.close(), closed() {} };
    },
  });
  Bun.spawnSync([process.execPath, "-e", CONNECT_AND_RESET, String(listener.address.port)]);
  await new Promise<void>((resolve) => {
    const last = connect(listener.address.port, "127.0.0.1", () => last.end()); // accepted behind the others
    last.on("close", () => resolve()).resume();
  });
  expect({ accepted, failures, open: listener.connectionCount() }).toEqual({ accepted: 1, failures: [], open: 0 });
  listener.stop();
  onHandlerFailure(() => {});
});
