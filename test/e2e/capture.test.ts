import { afterAll, beforeAll, expect, test } from "bun:test";
import { Capture, carries } from "../support/capture.ts";
import { type Pod, PodNetwork } from "../support/netns.ts";

let network: PodNetwork;
let speaker: Pod;

beforeAll(() => {
  network = new PodNetwork();
  speaker = network.addPod({ isMeshed: false });
});
afterAll(() => network?.close());

test("a capture misses nothing of what is said while it does not get to read", async () => {
  const capture = await Capture.start(["ip", "netns", "exec", speaker.name]);
  process.kill(capture.pid, "SIGSTOP");
  await speaker.run(process.execPath, "-e", CONVERSATION);
  process.kill(capture.pid, "SIGCONT");
  const segments = await capture.stop();
  const missing = Array.from({ length: TURNS }, (_, turn) => `turn ${turn}.`).filter(
    (text) => !carries(segments, text),
  );
  expect(missing).toEqual([]);
}, 30_000);

const TURNS = 100;

/** A client and a server in one, each waiting for the other before it speaks. */
const CONVERSATION = `
  const server = require("node:net").createServer((peer) => peer.on("data", (bytes) => peer.write(bytes)));
  server.listen(0, "127.0.0.1", () => {
    let turn = 0;
    const client = require("node:net").connect(server.address().port, "127.0.0.1", () => client.write("turn 0."));
    client.on("data", () => (++turn < ${TURNS} ? client.write("turn " + turn + ".") : process.exit(0)));
  });
`;
