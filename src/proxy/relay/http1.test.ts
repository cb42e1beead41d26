import { describe, expect, test } from "bun:test";
import { RequestHead } from "#message";
import { passThrough } from "../../../test/support/http1-relay.ts";
import { ScriptedTransport } from "../../../test/support/scripted-transport.ts";
import type { RelayError } from "../errors.ts";
import type { ClientConnection, RequestHandler, RequestSink } from "./exchange.ts";
import { Http1Client } from "./http1-client.ts";
import { Http1Server } from "./http1-server.ts";
import { TurnQueue } from "./turn.ts";

/** A client connection and a server connection with the relay between them; `settle` ends the turn. */
function setUp() {
  const deferred: (() => void)[] = [];
  const turn = new TurnQueue((run) => deferred.push(run));
  const client = new ScriptedTransport();
  const backend = new ScriptedTransport();
  const told: string[] = [];
  const owner = { available: () => told.push("available"), gone: () => told.push("gone") };
  const toBackend = new Http1Client(backend, owner, { turn });
  const waiting: ((connection: ClientConnection) => void)[] = [];
  let isReady = true;
  const server = new Http1Server(client, {
    handler: passThrough((ready) => (isReady ? ready(toBackend) : waiting.push(ready))),
    emitsDetail: true,
    turn,
    onClosed: () => told.push("closed"),
  });
  const settle = () => {
    while (deferred.length > 0) deferred.shift()!();
  };
  return {
    client,
    backend,
    toBackend,
    server,
    told,
    settle,
    /** Requests wait until `connect`. */
    holdConnects() {
      isReady = false;
    },
    connect() {
      isReady = true;
      for (const ready of waiting.splice(0)) ready(toBackend);
    },
    /** The client sends, the backend gets. */
    ask(text: string): string {
      client.feed(text);
      settle();
      return backend.take();
    },
    /** The backend sends, the client gets. */
    answer(text: string): string {
      backend.feed(text);
      settle();
      return client.take();
    },
  };
}

const GET = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

describe("a relayed exchange", () => {
  test("goes through byte by byte the same, in one write each way, and again on the same connections", () => {
    const { ask, answer, client, backend, told } = setUp();
    for (let round = 1; round <= 3; round++) {
      expect(ask(GET)).toBe(GET);
      expect(answer(OK)).toBe(OK);
      expect([backend.writeCount, client.writeCount]).toEqual([round, round]);
    }
    expect(told).toEqual(["available", "available", "available"]);
  });

  test("loses what concerns one connection only", () => {
    const { ask, answer } = setUp();
    const sent = ask(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Hop, keep-alive, Content-Length, Host\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-End: 2\r\nTE: trailers\r\n\r\n",
    );
    expect(sent).toBe("GET / HTTP/1.1\r\nHost: h\r\nX-End: 2\r\nTE: trailers\r\n\r\n");
    expect(answer("HTTP/1.1 204 No Content\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 0\r\n\r\n")).toBe(
      "HTTP/1.1 204 No Content\r\n\r\n",
    );
  });

  test("writes chunks anew, with trailers", () => {
    const { ask, answer } = setUp();
    const request =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n05;x=y\r\nhello\r\n0\r\nX-T: 1\r\nHost: evil\r\n\r\n";
    expect(ask(request)).toBe(
      "POST / HTTP/1.1\r\nHost: h\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    );
    expect(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")).toBe(
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
    );
    expect(answer("0\r\n\r\n")).toBe("0\r\n\r\n");
    expect(ask(GET)).toBe(GET);
  });

  test("a response until close becomes chunks for HTTP/1.1", () => {
    const { ask, answer, backend, client, settle, told } = setUp();
    ask(GET);
    expect(answer("HTTP/1.1 200 OK\r\n\r\nabc")).toBe(
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    );
    backend.feedEnd();
    settle();
    expect(client.take()).toBe("0\r\n\r\n");
    expect(client.ending).toBe("");
    expect(told).toEqual(["gone"]);
  });

  test("a response of unknown length to HTTP/1.0 ends with the connection", () => {
    const { ask, answer, client } = setUp();
    expect(ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")).toBe("GET / HTTP/1.0\r\n\r\n");
    expect(answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")).toBe(
      "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nabc",
    );
    expect(client.ending).toBe("fin");
  });

  test("HTTP/1.0 with keep-alive is told that it may stay", () => {
    const { ask, answer, client } = setUp();
    ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(answer(OK)).toBe("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nconnection: keep-alive\r\n\r\nok");
    expect(client.ending).toBe("");
  });

  test("HEAD keeps the length of a body that does not come", () => {
    const { ask, answer } = setUp();
    ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(answer("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")).toBe(
      "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
    );
    expect(ask(GET)).toBe(GET);
  });

  test("interim responses pass before the final one", () => {
    const { ask, answer } = setUp();
    ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect(answer("HTTP/1.1 100 Continue\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    expect(ask("hi")).toBe("hi");
    expect(answer("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).toBe(
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
  });

  test("a pipelined request waits for the response before it", () => {
    const { ask, answer, backend, settle } = setUp();
    expect(ask(`${GET}GET /b HTTP/1.1\r\nHost: h\r\n\r\n`)).toBe(GET);
    expect(answer(OK)).toBe(OK);
    settle();
    expect(backend.take()).toBe("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(answer(OK)).toBe(OK);
  });

  test("nothing is lost while the request waits for a connection", () => {
    const relay = setUp();
    relay.holdConnects();
    expect(relay.ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")).toBe("");
    expect(relay.ask("world")).toBe("");
    expect(relay.client.isPaused).toBe(true);
    relay.connect();
    relay.settle();
    expect(relay.backend.take()).toEndWith("\r\n\r\nhelloworld");
    expect(relay.client.isPaused).toBe(false);
    expect(relay.answer(OK)).toBe(OK);
  });
});

describe("back-pressure", () => {
  test("a slow backend stops the client, and loses nothing", () => {
    const { client, backend, settle } = setUp();
    backend.room = 100_000;
    client.feed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4000000\r\n\r\n");
    for (let i = 0; i < 40; i++) client.feed(String.fromCharCode(65 + (i % 26)).repeat(100_000));
    settle();
    expect(client.isPaused).toBe(true);
    for (let i = 0; i < 200; i++) {
      backend.makeRoom(30_000);
      settle();
    }
    const [, body] = backend.take().split("\r\n\r\n");
    expect(body.length).toBe(4_000_000);
    for (let i = 0; i < 40; i++) expect(body[i * 100_000 + 5]).toBe(String.fromCharCode(65 + (i % 26)));
    expect(client.isPaused).toBe(false);
  });

  test("a slow client stops the backend, and loses nothing", () => {
    const { ask, client, backend, settle } = setUp();
    ask(GET);
    client.room = 1000;
    backend.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let i = 0; i < 40; i++) backend.feed(`11170\r\n${"z".repeat(70_000)}\r\n`);
    backend.feed("0\r\n\r\n");
    settle();
    expect(backend.isPaused).toBe(true);
    for (let i = 0; i < 400; i++) {
      client.makeRoom(10_000);
      settle();
    }
    const received = client.take();
    expect(received.split("z").length - 1).toBe(40 * 70_000);
    expect(received).toEndWith("\r\n0\r\n\r\n");
    expect(backend.isPaused).toBe(false);
  });
});

describe("tunnels", () => {
  const UPGRADE = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

  test("101 opens one both ways, half-closed one side after the other", () => {
    const { ask, answer, client, backend, settle, told } = setUp();
    expect(ask(UPGRADE)).toBe(UPGRADE);
    expect(answer(`${SWITCH}early`)).toBe(`${SWITCH}early`);
    expect(ask("GET / not HTTP\n")).toBe("GET / not HTTP\n");
    client.feedEnd();
    settle();
    expect(backend.ending).toBe("fin");
    expect(answer("late")).toBe("late");
    backend.feedEnd();
    settle();
    expect([client.ending, backend.ending]).toEqual(["close", "close"]);
    expect(told).toContain("closed");
  });

  test("the server may end its side first", () => {
    const { ask, answer, client, backend, settle } = setUp();
    ask(UPGRADE);
    answer(SWITCH);
    backend.feedEnd();
    settle();
    expect(client.ending).toBe("fin");
    expect(ask("more")).toBe("more");
    client.feedEnd();
    settle();
    expect([client.ending, backend.ending]).toEqual(["close", "close"]);
  });

  test("an upgrade that is refused is a plain exchange", () => {
    const { ask, answer, client } = setUp();
    ask(UPGRADE);
    expect(answer(OK)).toBe(OK);
    expect(client.ending).toBe("");
    expect(ask(GET)).toBe(GET);
  });

  test("101 that was not asked for is a bad response", () => {
    const { ask, answer } = setUp();
    ask(GET);
    expect(answer(SWITCH)).toStartWith("HTTP/1.1 502 ");
  });

  test("CONNECT opens one without length or coding", () => {
    const { ask, answer } = setUp();
    const connect = "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n";
    expect(ask(connect)).toBe(connect);
    expect(answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x16\x03")).toBe("HTTP/1.1 200 OK\r\n\r\n\x16\x03");
    expect(ask("\x16\x03\x01")).toBe("\x16\x03\x01");
  });

  test("CONNECT that is refused closes, for the client may have sent on", () => {
    const { ask, answer, client } = setUp();
    ask("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n");
    expect(answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")).toBe(
      "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nconnection: close\r\n\r\n",
    );
    expect(client.ending).toBe("fin");
  });
});

describe("when something breaks", () => {
  test("a malformed request is refused and never forwarded", () => {
    const { ask, client } = setUp();
    expect(ask("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx")).toBe("");
    expect(client.take()).toBe(
      "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nl5d-proxy-error: Cannot read the request: Content-Length and Transfer-Encoding are both there\r\nl5d-proxy-connection: close\r\nconnection: close\r\n\r\n",
    );
    expect(client.ending).toBe("fin");
  });

  test("a head beyond the limit gets 431, a long target 414, another version 505", () => {
    for (const [text, status] of [
      [`GET / HTTP/1.1\r\nX: ${"x".repeat(70_000)}`, 431],
      [`GET /${"x".repeat(40_000)}`, 414],
      ["GET / HTTP/3.0\r\n", 505],
    ] as const) {
      const { ask, client } = setUp();
      ask(text);
      expect(client.take()).toStartWith(`HTTP/1.1 ${status} `);
    }
  });

  test("a malformed chunk breaks the backend's request, and the client gets 400", () => {
    const { ask, client, backend } = setUp();
    ask("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    ask("zz\r\n");
    expect(backend.ending).toBe("reset");
    expect(client.take()).toStartWith("HTTP/1.1 400 ");
  });

  test("a malformed response becomes 502", () => {
    for (const bad of [
      "HTTP/1.1 200 OK\nX: 1\n\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "SSH-2.0\r\n",
    ]) {
      const { ask, answer, backend, told } = setUp();
      ask(GET);
      expect(answer(bad)).toStartWith("HTTP/1.1 502 Bad Gateway\r\n");
      expect(backend.ending).toBe("reset");
      expect(told[0]).toBe("gone");
    }
  });

  test("a server that closes before it answers becomes 502", () => {
    const { ask, backend, client, settle, told } = setUp();
    ask(GET);
    backend.feedEnd();
    settle();
    expect(client.take()).toStartWith("HTTP/1.1 502 ");
    expect(told[0]).toBe("gone");
  });

  test("a response cut short resets the client, for it must not look complete", () => {
    for (const head of ["Content-Length: 10", "Transfer-Encoding: chunked"]) {
      const { ask, answer, client, backend, settle } = setUp();
      ask(GET);
      answer(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n1\r\na\r\n`);
      backend.feedEnd();
      settle();
      expect(client.ending).toBe("reset");
    }
  });

  test("a response until close that ends with a reset is not complete", () => {
    const { ask, answer, client, backend, settle } = setUp();
    ask(GET);
    answer("HTTP/1.1 200 OK\r\n\r\nabc");
    backend.breakOff("ECONNRESET");
    settle();
    expect(client.ending).toBe("reset");
  });

  test("a client that goes away ends the work for it", () => {
    const { ask, client, backend, told } = setUp();
    ask(GET);
    client.breakOff("ECONNRESET");
    expect(backend.ending).toBe("reset");
    expect(told).toEqual(["gone", "closed"]);
  });

  test("a client that ends within a request ends the work for it", () => {
    const { ask, client, backend } = setUp();
    ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    client.feedEnd();
    expect(backend.ending).toBe("reset");
    expect(client.ending).toBe("close");
  });

  test("a client that ends behind its request still gets the response", () => {
    const { ask, answer, client } = setUp();
    ask(GET);
    client.feedEnd();
    expect(answer(OK)).toBe("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok");
    expect(client.ending).toBe("close");
  });

  test("a client gone before anyone takes its request is told to the one who then does", () => {
    const relay = setUp();
    relay.holdConnects();
    relay.ask(GET);
    relay.client.breakOff("ECONNRESET");
    relay.connect();
    relay.settle();
    expect(relay.backend.ending).toBe("reset");
  });

  test.each([
    ["resets", GET, (client: ScriptedTransport) => client.breakOff("ECONNRESET")],
    [
      "ends before its body",
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n",
      (client: ScriptedTransport) => client.feedEnd(),
    ],
  ])("a client that %s while its request waits is told at once to whoever watches", (_how, request, leave) => {
    const transport = new ScriptedTransport();
    const heard: string[] = [];
    const watcher: RequestSink = {
      body: () => heard.push("body") > 0,
      end: () => void heard.push("end"),
      abort: (cause) => void heard.push(cause.code),
      resumeResponse() {},
    };
    const handler: RequestHandler = { request: (_head, stream) => stream.watch(watcher) };
    new Http1Server(transport, { handler, emitsDetail: true, turn: new TurnQueue(() => {}) });
    transport.feed(request);
    expect(heard).toEqual([]);
    leave(transport);
    expect(heard).toEqual(["client-gone"]);
  });

  test("bytes behind a response belong to nobody: the connection is not used again", () => {
    const { ask, answer, backend, told } = setUp();
    ask(GET);
    expect(answer(`${OK}HTTP/1.1 200 OK\r\n\r\n`)).toBe(OK);
    expect(told).toEqual(["gone"]);
    expect(backend.ending).toBe("reset");
  });

  test("a server that closes an idle connection takes it out of the pool", () => {
    const { ask, answer, backend, toBackend, told } = setUp();
    ask(GET);
    answer(OK);
    backend.feedEnd();
    expect(told).toEqual(["available", "gone"]);
    expect(toBackend.capacity()).toBe(0);
    expect(backend.ending).toBe("close");
  });

  test.each([
    ["before anything was written", 0, 0, "safe"],
    ["behind a short body", 10, 1, "if-unsent"],
    ["behind a long body, which goes out ahead of its turn", 100_000, 0, "if-unsent"],
  ] as const)(
    "a connection that ends %s says whether the request may be sent again",
    (_when, bodyBytes, turns, retry) => {
      const transport = new ScriptedTransport();
      const turn = new TurnQueue(() => {});
      const client = new Http1Client(transport, { available() {}, gone() {} }, { turn });
      const head = Object.assign(new RequestHead(), {
        method: "POST",
        path: "/",
        authority: "h",
        bodyLength: bodyBytes,
      });
      const failures: RelayError[] = [];
      const sink = { response() {}, body: () => true, end() {}, resumeRequest() {} };
      const request = client.open(head, [], { ...sink, abort: (cause) => void failures.push(cause) });
      request.body(Buffer.alloc(bodyBytes), 0, bodyBytes);
      for (let count = 0; count < turns; count++) turn.runNow();
      transport.breakOff(undefined);
      expect(failures.map((failure) => failure.retry)).toEqual([retry]);
    },
  );

  test("connection: close from the server ends its connection, not the client's", () => {
    const { ask, answer, client, told } = setUp();
    ask(GET);
    expect(answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")).toBe(
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    );
    expect(told).toEqual(["gone"]);
    expect(client.ending).toBe("");
  });

  test("an early response to a long request closes the client's connection", () => {
    const { ask, answer, client, backend, told } = setUp();
    ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\nhello");
    expect(answer("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")).toBe(
      "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nconnection: close\r\n\r\n",
    );
    expect(client.ending).toBe("fin");
    expect(backend.ending).toBe("close");
    expect(told[0]).toBe("gone");
    client.feed("still sending");
    client.feedEnd();
    expect(client.ending).toBe("close");
  });

  test("an early response to a short request keeps the client's connection", () => {
    const { ask, answer, client } = setUp();
    ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    expect(answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")).not.toContain("close");
    client.feed("world");
    expect(client.ending).toBe("");
  });
});

describe("time and draining", () => {
  test("a client that has its response and never finishes its request is let go", () => {
    const { ask, answer, client, server, settle } = setUp();
    ask("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    server.tick(0);
    server.tick(1000);
    server.tick(59_000);
    expect(client.ending).toBe("");
    server.tick(62_000);
    settle();
    expect(client.ending).toBe("fin");
  });

  test("a head that takes too long gets 408, however it trickles", () => {
    const { client, server, settle } = setUp();
    server.tick(0);
    client.feed("GET /");
    server.tick(1000);
    for (let second = 2; second <= 12; second++) {
      client.feed("a");
      server.tick(second * 1000);
    }
    settle();
    expect(client.take()).toStartWith("HTTP/1.1 408 ");
    expect(client.ending).toBe("fin");
    server.tick(13_000);
    server.tick(19_000);
    expect(client.ending).toBe("reset");
  });

  test("an idle connection is closed after its time, a busy one is not", () => {
    const { ask, answer, client, server } = setUp();
    server.tick(0);
    server.tick(599_000);
    ask(GET);
    server.tick(700_000);
    server.tick(1_400_000);
    expect(client.ending).toBe("");
    answer(OK);
    server.tick(1_400_001);
    server.tick(2_000_002);
    expect(client.ending).toBe("fin");
  });

  test("a client that does not read its response is cut off", () => {
    const { ask, answer, client, server } = setUp();
    client.room = 10;
    ask(GET);
    answer(OK);
    server.tick(1);
    server.tick(61_000);
    expect(client.ending).toBe("reset");
  });

  test("draining lets the request in hand finish and says close", () => {
    const { ask, answer, client, server, toBackend, backend } = setUp();
    ask(GET);
    server.drain();
    toBackend.drain();
    expect(answer(OK)).toBe("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok");
    expect([client.ending, backend.ending]).toEqual(["fin", "close"]);
  });

  test("draining closes an idle connection at once", () => {
    const { client, backend, server, toBackend } = setUp();
    server.drain();
    toBackend.drain();
    expect([client.ending, backend.ending]).toEqual(["fin", "close"]);
  });
});
