import { expect, test } from "bun:test";
import fc from "fast-check";
import { Http1Client } from "../../src/proxy/relay/http1-client.ts";
import { Http1Server } from "../../src/proxy/relay/http1-server.ts";
import { TurnQueue } from "../../src/proxy/relay/turn.ts";
import { requestEvents, responseEvents } from "../support/http1-events.ts";
import { passThrough } from "../support/http1-relay.ts";
import { ScriptedTransport } from "../support/scripted-transport.ts";

/**
 * A client and its backends in any order of bytes, FINs, resets and slow reading. Whatever they do: nothing throws, what
 * backends get reads as sound requests, and what the client gets as sound responses to what it asked.
 */
const requests = [
  "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
  "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
  "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nhello",
  "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
  "0\r\n\r\n",
  "5;x=y\r\nhello\r\n",
  "0\r\nT: 1\r\n\r\n",
  "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
  "hi",
  "x".repeat(99_995),
  "GET / HT",
  "\r\n",
];
const responses = [
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
  "0\r\n\r\n",
  "HTTP/1.1 200 OK\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
  "HTTP/1.1 500 Oops\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.0 200 OK\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "y".repeat(100_000),
  "HTTP/1.1 2",
];

type Step = readonly [side: "client" | "backend", what: "feed" | "end" | "reset" | "room", text: string];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...requests).map((text): Step => ["client", "feed", text]) },
  { weight: 8, arbitrary: fc.constantFrom(...responses).map((text): Step => ["backend", "feed", text]) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<"client" | "backend">("client", "backend").map((side): Step => [side, "room", ""]),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<"client" | "backend">("client", "backend").map((side): Step => [side, "end", ""]),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<"client" | "backend">("client", "backend").map((side): Step => [side, "reset", ""]),
  },
);

/** Begins with a sound request, else most plays would end before a backend has a part. */
const plays = fc
  .tuple(fc.constantFrom(...requests.slice(0, 5)), fc.array(step, { maxLength: 20 }))
  .map(([first, rest]): Step[] => [["client", "feed", first], ...rest]);

function play(steps: readonly Step[], room: number, settlesLate: boolean) {
  const deferred: (() => void)[] = [];
  const turn = new TurnQueue((run) => deferred.push(run));
  const client = new ScriptedTransport();
  client.room = room;
  const backends: ScriptedTransport[] = [];
  const idle: Http1Client[] = [];
  const handler = passThrough((ready) => {
    const free = idle.pop();
    if (free) return ready(free);
    const backend = new ScriptedTransport();
    backend.room = room;
    backends.push(backend);
    const connection: Http1Client = new Http1Client(
      backend,
      {
        available: () => void idle.push(connection),
        gone: () => {
          if (idle.includes(connection)) idle.splice(idle.indexOf(connection), 1);
        },
      },
      { turn },
    );
    ready(connection);
  });
  new Http1Server(client, { handler, emitsDetail: true, turn });
  const settle = () => {
    while (deferred.length > 0) deferred.shift()!();
  };
  let asked = "";
  for (const [side, what, text] of steps) {
    const transport = side === "client" ? client : backends.at(-1);
    if (what === "feed" && side === "client") asked += text;
    if (what === "feed") transport?.feed(text);
    else if (what === "end") transport?.feedEnd();
    else if (what === "room") transport?.makeRoom(70_000);
    else transport?.breakOff("ECONNRESET");
    if (!settlesLate) settle();
  }
  settle();
  return { asked, client, backends };
}

test("whatever both sides do, each sees only sound HTTP from the relay", () => {
  fc.assert(
    fc.property(plays, fc.constantFrom(10, 1000, 1e9), fc.boolean(), (steps, room, late) => {
      const { asked, client, backends } = play(steps, room, late);
      for (const { sent } of backends) {
        const last = requestEvents([Buffer.from(sent, "latin1")]).at(-1);
        expect(last?.startsWith("error") ? last : "").toBe("");
      }
      const methods = requestEvents([Buffer.from(asked, "latin1")])
        .filter((event) => / 1[01] host=/.test(event))
        .map((event) => event.split(" ")[0]);
      // A request that is refused is answered as well, though its method is never known.
      const last = responseEvents([Buffer.from(client.sent, "latin1")], [...methods, "GET"]).at(-1);
      expect(last?.startsWith("error") ? last : "").toMatch(/^$|before the message was complete/);
    }),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 1500) },
  );
});
