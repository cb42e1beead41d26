import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { type ClientHttp2Session, connect, createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { Http2Relay } from "../support/http2-relay.ts";

const BIG = randomBytes(4 * 1024 * 1024 + 17);
const BIG_HASH = hashOf(BIG);
let server: Http2Server;
let relay: Http2Relay;
let client: ClientHttp2Session;
const resets: number[] = [];

beforeAll(async () => {
  server = createServer();
  server.on("stream", serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  relay = await Http2Relay.start((server.address() as AddressInfo).port);
  client = connect(`http://127.0.0.1:${relay.port}`);
  client.on("error", () => {});
});

afterAll(() => {
  client.destroy();
  relay.stop();
  server.close();
});

function serve(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
  stream.on("error", () => {});
  stream.on("close", () => resets.push(stream.rstCode));
  const path = headers[":path"];
  if (path === "/big") {
    stream.respond({ ":status": 200, "content-length": BIG.length });
    stream.end(BIG);
  } else if (path === "/hash") {
    const hash = createHash("sha256");
    stream.on("data", (chunk) => hash.update(chunk));
    stream.on("end", () => {
      stream.respond({ ":status": 200 });
      stream.end(hash.digest("hex"));
    });
  } else if (path === "/trailers") {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0", "x-sum": "42" }));
    stream.end("body");
  } else if (path === "/never") stream.respond({ ":status": 200 });
  else if (path === "/echo-headers") {
    stream.respond({ ":status": 201, "x-echo": JSON.stringify(headers) });
    stream.end();
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

interface Answer {
  headers: Record<string, unknown>;
  body: Buffer;
  trailers: Record<string, unknown> | undefined;
}

function ask(headers: Record<string, string>, body?: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = client.request(headers, { endStream: body === undefined });
    const chunks: Buffer[] = [];
    let answer: Record<string, unknown> = {};
    let trailers: Record<string, unknown> | undefined;
    stream.on("response", (received) => (answer = received));
    stream.on("trailers", (received) => (trailers = received));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => resolve({ headers: answer, body: Buffer.concat(chunks), trailers }));
    if (body !== undefined) stream.end(body);
  });
}

test("a large response arrives unchanged", async () => {
  const { body } = await ask({ ":path": "/big" });
  expect(hashOf(body)).toBe(BIG_HASH);
});

test("a large request arrives unchanged", async () => {
  const { body } = await ask({ ":path": "/hash", ":method": "POST" }, BIG);
  expect(body.toString()).toBe(BIG_HASH);
});

test("many exchanges at once keep apart", async () => {
  const bodies = Array.from({ length: 50 }, (_, index) => randomBytes(1000 + index * 997));
  const answers = await Promise.all(bodies.map((body) => ask({ ":path": "/hash", ":method": "POST" }, body)));
  expect(answers.map((answer) => answer.body.toString())).toEqual(bodies.map(hashOf));
});

test("trailers pass", async () => {
  const { body, trailers } = await ask({ ":path": "/trailers" });
  expect(body.toString()).toBe("body");
  expect(trailers).toMatchObject({ "grpc-status": "0", "x-sum": "42" });
});

test("header fields pass both ways, repeated requests included", async () => {
  for (let round = 0; round < 3; round++) {
    const sent = { ":path": "/echo-headers", "x-round": String(round), "x-same": "yes", cookie: "a=1; b=2" };
    const { headers } = await ask(sent);
    expect(headers[":status"]).toBe(201);
    expect(JSON.parse(String(headers["x-echo"]))).toMatchObject({
      "x-round": String(round),
      "x-same": "yes",
      cookie: "a=1; b=2",
    });
  }
});

test("a client's cancel reaches the server", async () => {
  const stream = client.request({ ":path": "/never" });
  await new Promise((resolve) => stream.on("response", resolve));
  const before = resets.length;
  stream.on("error", () => {});
  stream.close(8);
  const deadline = Date.now() + 5000;
  while (resets.length === before && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
  expect(resets.at(-1)).toBe(8);
});
