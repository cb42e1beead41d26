import { afterEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import net from "node:net";
import { systemClock } from "#lib/clock";
import { dialTcp } from "#net/dial";
import { listenTcp } from "#net/tcp";
import { Http1Client } from "../../src/proxy/relay/http1-client.ts";
import { Http1Server } from "../../src/proxy/relay/http1-server.ts";
import { passThrough } from "../support/http1-relay.ts";

/** node:http on both sides, ours between them, over real sockets. */
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function backend(listener: http.RequestListener): Promise<{ server: http.Server; port: number }> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

/** A relay with a pool of one kind: idle connections are taken again, else a new one is dialled. */
function relayTo(port: number): { port: number; dialCount(): number } {
  const idle: Http1Client[] = [];
  let dials = 0;
  const handler = passThrough((ready) => {
    const free = idle.pop();
    if (free) return ready(free);
    dials++;
    dialTcp({ address: { ip: "127.0.0.1", port }, timeoutMs: 5000 }, systemClock, {
      connected: (transport) => {
        const owner = {
          available: () => void idle.push(client),
          gone: () => void idle.splice(idle.indexOf(client) >>> 0, 1),
        };
        const client = new Http1Client(transport, owner);
        ready(client);
      },
      failed: (failure) => {
        throw failure;
      },
    });
  });
  const listener = listenTcp({
    hostname: "127.0.0.1",
    port: 0,
    accept: (transport) => void new Http1Server(transport, { handler, emitsDetail: true }),
  });
  cleanups.push(() => {
    listener.stop();
    for (const client of idle.splice(0)) client.destroy();
  });
  return { port: listener.address.port, dialCount: () => dials };
}

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  trailers: NodeJS.Dict<string>;
  body: Buffer;
}

function ask(port: number, options: http.RequestOptions, body: Uint8Array = Buffer.alloc(0)): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: "127.0.0.1", port, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode = 0, headers, trailers } = response;
        resolve({ status: statusCode, headers, trailers, body: Buffer.concat(chunks) });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("many requests share connections on both sides", async () => {
  const { port } = await backend((request, response) => response.end(`${request.method} ${request.url}`));
  const relay = relayTo(port);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  cleanups.push(() => agent.destroy());
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => ask(relay.port, { path: `/${i}`, agent })));
  expect(answers.map((answer) => answer.body.toString())).toEqual(Array.from({ length: 200 }, (_, i) => `GET /${i}`));
  expect(relay.dialCount()).toBeLessThanOrEqual(4);
});

test("20 MB go up and come back unchanged, by length and in chunks", async () => {
  const { port } = await backend((request, response) => {
    response.writeHead(200, { trailer: "x-sum" });
    request.pipe(response, { end: false });
    request.on("end", () => {
      response.addTrailers({ "x-sum": "done" });
      response.end();
    });
  });
  const relay = relayTo(port);
  const body = Buffer.alloc(20_000_000);
  for (let i = 0; i < body.length; i += 4) body.writeUInt32LE((i * 2654435761) >>> 0, i);
  for (const headers of [{ "content-length": body.length }, { "transfer-encoding": "chunked" }]) {
    const answer = await ask(relay.port, { method: "POST", headers }, body);
    expect(sha(answer.body)).toBe(sha(body));
    expect(answer.trailers).toEqual({ "x-sum": "done" });
  }
});

test("100-continue is the backend's to say", async () => {
  const { server, port } = await backend((_request, response) => response.end("done"));
  let continues = 0;
  server.on("checkContinue", (request: http.IncomingMessage, response: http.ServerResponse) => {
    continues++;
    response.writeContinue();
    request.resume().on("end", () => response.end("continued"));
  });
  const relay = relayTo(port);
  const answer = await new Promise<string>((resolve, reject) => {
    const headers = { expect: "100-continue", "content-length": 4 };
    const request = http.request({ host: "127.0.0.1", port: relay.port, method: "PUT", headers });
    request.on("continue", () => request.end("body"));
    request.on("response", (response) => response.on("data", (chunk: Buffer) => resolve(chunk.toString())));
    request.on("error", reject);
    request.flushHeaders();
  });
  expect(answer).toBe("continued");
  expect(continues).toBe(1);
});

test("an upgraded connection carries bytes both ways", async () => {
  const { server, port } = await backend((_request, response) => response.end());
  server.on("upgrade", (_request: http.IncomingMessage, socket: net.Socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.pipe(socket);
  });
  const relay = relayTo(port);
  const received = await new Promise<string>((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port: relay.port, allowHalfOpen: true });
    let text = "";
    socket.write("GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.on("data", (chunk: Buffer) => {
      if (text === "") socket.end("hello, not HTTP");
      text += chunk.toString();
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
  expect(received).toEndWith("\r\n\r\nhello, not HTTP");
});

test("a client that leaves takes its request away from the backend", async () => {
  const closed = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const { port } = await backend((_request, response) => {
    response.on("close", closed.resolve);
    response.write("a little");
    begun.resolve();
  });
  const relay = relayTo(port);
  const socket = net.connect(relay.port, "127.0.0.1");
  socket.on("error", () => {}); // our own reset
  socket.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  await begun.promise;
  socket.resetAndDestroy();
  await closed.promise;
});

test("a client that reads slowly holds the backend back", async () => {
  const total = 30_000_000;
  let wrote = 0;
  const { port } = await backend((_request, response) => {
    response.writeHead(200, { "content-length": total });
    const piece = Buffer.alloc(100_000, 7);
    const more = () => {
      while (wrote < total) {
        wrote += piece.length;
        if (!response.write(piece)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  });
  const relay = relayTo(port);
  const received = await new Promise<number>((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port: relay.port }, (response) => {
      let count = 0;
      let mostAhead = 0;
      response.on("data", (chunk: Buffer) => {
        count += chunk.length;
        mostAhead = Math.max(mostAhead, wrote - count);
        response.pause();
        setImmediate(() => response.resume());
      });
      response.on("end", () => (mostAhead < total ? resolve(count) : reject(new Error("Never held back"))));
    });
    request.on("error", reject);
  });
  expect(received).toBe(total);
});

test("a refusal reaches a client that is still sending", async () => {
  const { port } = await backend((_request, response) => {
    response.writeHead(413, { "content-length": 0, connection: "close" }).end();
  });
  const relay = relayTo(port);
  const received = await new Promise<string>((resolve, reject) => {
    const socket = net.connect({ host: "127.0.0.1", port: relay.port, allowHalfOpen: true });
    let text = "";
    let isOver = false;
    const piece = Buffer.alloc(64 * 1024);
    socket.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n");
    const more = () => {
      if (!isOver) socket.write(piece, () => setImmediate(more));
    };
    more();
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on("end", () => {
      isOver = true;
      socket.end();
      resolve(text);
    });
    socket.on("error", reject);
  });
  expect(received).toStartWith("HTTP/1.1 413 ");
  expect(received).toContain("connection: close\r\n");
});

test("a peer that speaks nonsense is refused and its connection ends", async () => {
  const { port } = await backend((_request, response) => response.end());
  const relay = relayTo(port);
  const received = await new Promise<string>((resolve, reject) => {
    const socket = net.connect(relay.port, "127.0.0.1");
    let text = "";
    socket.write("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
  expect(received).toStartWith("HTTP/1.1 400 ");
  expect(received.match(/HTTP\/1\.1/g)?.length).toBe(1);
  expect(relay.dialCount()).toBe(0);
});
