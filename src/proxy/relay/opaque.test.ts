import { expect, test } from "bun:test";
import { ScriptedTransport } from "../../../test/support/scripted-transport.ts";
import { NOTHING_EARLY, OpaqueRelay } from "./opaque.ts";

function setup(early = NOTHING_EARLY) {
  const client = new ScriptedTransport();
  const server = new ScriptedTransport();
  const finished: (string | undefined)[] = [];
  const relay = new OpaqueRelay(client, server, (cause) => finished.push(cause));
  relay.start(early, NOTHING_EARLY);
  return { client, server, finished };
}

test("bytes go both ways, those read before first", () => {
  const { client, server } = setup({ chunks: [Buffer.from("a"), Buffer.from("b")], hasEnded: false });
  client.feed("c");
  server.feed("x");
  expect(server.sent).toBe("abc");
  expect(client.sent).toBe("x");
});

test("a slow reader pauses the other side, and nothing is lost or reordered", () => {
  const { client, server } = setup();
  server.room = 2;
  client.feed("hello");
  expect(client.isPaused).toBe(true);
  client.feed("world");
  expect(server.sent).toBe("he");
  server.makeRoom(100);
  expect(client.isPaused).toBe(false);
  expect(server.sent).toBe("helloworld");
});

test("a FIN travels on as a FIN behind the bytes, and the other direction stays open", () => {
  const { client, server, finished } = setup();
  server.room = 1;
  client.feed("ab");
  client.feedEnd();
  expect(server.ending).toBe("");
  server.makeRoom(10);
  expect(server.sent).toBe("ab");
  expect(server.ending).toBe("fin");
  server.feed("answer");
  server.feedEnd();
  expect(client.sent).toBe("answer");
  expect(client.ending).not.toBe("reset");
  expect(server.ending).toBe("close");
  client.breakOff(undefined);
  server.breakOff(undefined);
  expect(finished).toEqual([undefined]);
});

test("a reset travels on as a reset", () => {
  const { client, server, finished } = setup();
  client.breakOff("ECONNRESET");
  expect(server.ending).toBe("reset");
  server.breakOff(undefined);
  expect(finished).toEqual(["ECONNRESET"]);
});
