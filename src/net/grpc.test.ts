import { afterEach, expect, test } from "bun:test";
import { type ClientHttp2Stream, connect as connectHttp2 } from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { MetricsRegistry } from "#lib/metrics";
import { GetDestination, Update } from "#proto/destination";
import { CertifyRequest, CertifyResponse } from "#proto/identity";
import { GrpcClient } from "./grpc-client.ts";
import {
  frameMessage,
  GRPC_STATUS,
  GrpcError,
  GrpcServer,
  type GrpcServerOptions,
  type ServerStream,
  serverStream,
  unary,
} from "./grpc-server.ts";

const CERTIFY = "/io.linkerd.proxy.identity.Identity/Certify";
const GET = "/io.linkerd.proxy.destination.Destination/Get";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Started {
  readonly port: number;
  readonly server: GrpcServer;
  readonly streams: ServerStream[];
}

async function start(options: Partial<GrpcServerOptions> = {}): Promise<Started> {
  const streams: ServerStream[] = [];
  const server = new GrpcServer({
    methods: [
      unary(CERTIFY, CertifyRequest, CertifyResponse, async (request, context) => {
        if (request.identity === "refuse") throw new GrpcError(GRPC_STATUS.FAILED_PRECONDITION, "no: 100 % – ünïcode");
        if (request.identity === "crash") throw new Error("secret detail");
        if (request.identity === "hang") return new Promise<never>(() => {});
        return { leafCertificate: request.token, intermediateCertificates: [], validUntil: context.metadata("x-echo") };
      }),
      serverStream(GET, GetDestination, (_request, stream) => {
        streams.push(stream);
      }),
    ],
    ...options,
  });
  const port = await server.listen({ host: "127.0.0.1", port: 0 });
  closers.push(() => server.drain(100));
  return { port, server, streams };
}

function foreignClient(port: number): grpc.Client {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  closers.push(() => client.close());
  return client;
}

function ownClient(port: number): GrpcClient {
  const client = new GrpcClient({ host: "127.0.0.1", port });
  closers.push(() => client.close());
  return client;
}

const asBuffer =
  <T>(encode: (message: T) => { finish(): Uint8Array }) =>
  (message: T) =>
    Buffer.from(encode(message).finish());

function foreignCertify(
  client: grpc.Client,
  request: CertifyRequest,
  deadline = Date.now() + 5_000,
): Promise<CertifyResponse> {
  return new Promise((resolve, reject) => {
    const done = (error: grpc.ServiceError | null, value?: CertifyResponse) =>
      error ? reject(error) : resolve(value!);
    client.makeUnaryRequest(
      CERTIFY,
      asBuffer(CertifyRequest.encode),
      CertifyResponse.decode,
      request,
      new grpc.Metadata(),
      { deadline },
      done,
    );
  });
}

function foreignGet(client: grpc.Client): grpc.ClientReadableStream<Update> {
  const stream = client.makeServerStreamRequest(GET, asBuffer(GetDestination.encode), Update.decode, {
    path: "a:1",
    scheme: "",
    contextToken: "",
  });
  stream.on("error", () => {});
  return stream;
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 5_000;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error("The condition did not become true within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const request = (identity: string, tokenBytes = 3): CertifyRequest => ({
  identity,
  token: new Uint8Array(tokenBytes).fill(7),
  certificateSigningRequest: new Uint8Array(0),
});
const noEndpoints = frameMessage(Update.encode({ update: { $case: "noEndpoints", value: { exists: true } } }).finish());

test("a foreign client gets a unary answer, also of a large request", async () => {
  const client = foreignClient((await start()).port);
  expect((await foreignCertify(client, request("a"))).leafCertificate).toEqual(Buffer.from([7, 7, 7]));
  expect((await foreignCertify(client, request("a", 300_000))).leafCertificate.length).toBe(300_000);
});

test("a refusal keeps its code and its text", async () => {
  const client = foreignClient((await start()).port);
  const error = await foreignCertify(client, request("refuse")).catch((e: grpc.ServiceError) => e);
  expect(error).toMatchObject({ code: 9, details: "no: 100 % – ünïcode" });
});

test("what a handler throws by mistake does not reach the peer", async () => {
  const client = foreignClient((await start()).port);
  const error = (await foreignCertify(client, request("crash")).catch((e) => e)) as grpc.ServiceError;
  expect(error.code).toBe(13);
  expect(error.details).not.toContain("secret");
});

test("a deadline ends a call on both sides", async () => {
  const { port, server } = await start();
  const error = await foreignCertify(foreignClient(port), request("hang"), Date.now() + 100).catch((e) => e);
  expect(error.code).toBe(GRPC_STATUS.DEADLINE_EXCEEDED);
  await until(() => server.openCallCount === 0);
});

test("an unknown method, an oversized request and a broken message each get their status", async () => {
  const { port } = await start({ maxRequestBytes: 1_000 });
  const client = ownClient(port);
  const call = (path: string, message: CertifyRequest) =>
    client.unary(path, CertifyRequest, CertifyResponse, message).then(
      () => 0,
      (error: GrpcError) => error.code,
    );
  expect(await call("/no.Such/Method", request("a"))).toBe(GRPC_STATUS.UNIMPLEMENTED);
  expect(await call(CERTIFY, request("a", 2_000))).toBe(GRPC_STATUS.RESOURCE_EXHAUSTED);
  const broken = { encode: () => ({ finish: () => new Uint8Array([0x0a, 0xff]) }), decode: CertifyRequest.decode };
  const error = await client.unary(CERTIFY, broken, CertifyResponse, request("a")).catch((e: GrpcError) => e);
  expect(error).toMatchObject({ code: GRPC_STATUS.INVALID_ARGUMENT });
  expect(await call(CERTIFY, request("a"))).toBe(0);
});

test("what is not gRPC is answered as HTTP", async () => {
  const { port } = await start();
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  closers.push(() => session.destroy());
  const status = (headers: Record<string, string>) =>
    new Promise((resolve) => {
      const stream = session.request({ ":path": "/", ...headers });
      stream.on("response", (answer) => resolve(answer[":status"]));
      stream.end();
    });
  expect(await status({ ":method": "GET" })).toBe(405);
  expect(await status({ ":method": "POST", "content-type": "text/html" })).toBe(415);
});

test("one frame reaches every subscriber, and a cancelled one leaves", async () => {
  const { port, server, streams } = await start();
  const client = foreignClient(port);
  const received: number[] = [0, 0, 0];
  const calls = received.map((_, index) => foreignGet(client).on("data", () => received[index]!++));
  await until(() => streams.length === 3);
  for (const stream of streams) expect(stream.send(noEndpoints)).toBe(true);
  await until(() => received.every((count) => count === 1));
  calls[0]!.cancel();
  await until(() => server.openCallCount === 2);
  for (const stream of streams) stream.send(noEndpoints);
  await until(() => received[1] === 2 && received[2] === 2);
  expect(received[0]).toBe(1);
});

test("messages arrive before the status that ends the stream", async () => {
  const { port, streams } = await start();
  const call = foreignGet(foreignClient(port));
  const events: string[] = [];
  call.on("data", () => events.push("data")).on("status", (status) => events.push(`${status.code} ${status.details}`));
  await until(() => streams.length === 1);
  for (let i = 0; i < 3; i++) streams[0]!.send(noEndpoints);
  streams[0]!.end(GRPC_STATUS.NOT_FOUND, "gone");
  expect(streams[0]!.send(noEndpoints)).toBe(false);
  await until(() => events.length === 4);
  expect(events).toEqual(["data", "data", "data", "5 gone"]);
});

/** A subscriber whose reading is in our hand: HTTP/2 flow control stops the server while it is paused. */
function pausedGet(port: number): ClientHttp2Stream {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  closers.push(() => session.destroy());
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": GET,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  stream.pause();
  stream.end(frameMessage(new Uint8Array(0)));
  return stream;
}

const large = frameMessage(
  Update.encode({ update: { $case: "add", value: { addrs: [], metricLabels: { x: "y".repeat(60_000) } } } }).finish(),
);

test("a subscriber that does not read is dropped, its neighbour is not", async () => {
  const { port, server, streams } = await start({ maxQueuedMessages: 10 });
  const slow = pausedGet(port);
  await until(() => streams.length === 1);
  let received = 0;
  foreignGet(foreignClient(port)).on("data", () => received++);
  await until(() => streams.length === 2);
  const codes: number[] = [];
  streams[0]!.onClose((code) => codes.push(code));
  let sent = 0;
  while (streams[0]!.send(large)) {
    if (sent++ > 1_000) throw new Error("The queue has no limit");
  }
  expect(codes).toEqual([GRPC_STATUS.RESOURCE_EXHAUSTED]);
  expect(streams[0]!.queuedMessageCount).toBe(0);
  expect(streams[1]!.send(noEndpoints)).toBe(true);
  await until(() => received === 1 && server.openCallCount === 1);
  slow.resume();
  await until(() => slow.closed);
  expect(slow.rstCode).toBe(11);
});

test("a subscriber that pauses within the queue's limit gets everything, then the status", async () => {
  const { port, streams } = await start({ maxQueuedMessages: 20 });
  const slow = pausedGet(port);
  await until(() => streams.length === 1);
  for (let i = 0; i < 15; i++) expect(streams[0]!.send(large)).toBe(true);
  expect(streams[0]!.queuedMessageCount).toBeGreaterThan(5);
  streams[0]!.end();
  let bytes = 0;
  let status: unknown;
  slow.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  slow.on("trailers", (trailers) => {
    status = trailers["grpc-status"];
  });
  slow.resume();
  await until(() => status !== undefined);
  expect([bytes, status]).toEqual([15 * large.length, "0"]);
});

test("draining ends streams with OK and refuses new calls", async () => {
  const { port, server, streams } = await start();
  const call = foreignGet(foreignClient(port));
  let code = -1;
  call.on("data", () => {}).on("status", (status) => (code = status.code));
  await until(() => streams.length === 1);
  streams[0]!.send(noEndpoints);
  await server.drain(1_000);
  await until(() => code >= 0);
  expect(code).toBe(0);
  const error = await ownClient(port)
    .unary(CERTIFY, CertifyRequest, CertifyResponse, request("a"))
    .catch((e) => e);
  expect(error).toMatchObject({ code: GRPC_STATUS.UNAVAILABLE });
});

test("the own client reads a stream, and leaving it cancels the call", async () => {
  const { port, server, streams } = await start();
  const call = ownClient(port).serverStream(GET, GetDestination, Update, { path: "a:1", scheme: "", contextToken: "" });
  const first = call.next();
  await until(() => streams.length === 1);
  streams[0]!.send(noEndpoints);
  expect((await first).value?.update?.$case).toBe("noEndpoints");
  await call.return(undefined);
  await until(() => server.openCallCount === 0);
});

test("the own client sends its deadline and its metadata", async () => {
  const { port } = await start();
  const client = ownClient(port);
  const error = await client
    .unary(CERTIFY, CertifyRequest, CertifyResponse, request("hang"), { timeoutMs: 100 })
    .catch((e) => e);
  expect(error.code).toBe(GRPC_STATUS.DEADLINE_EXCEEDED);
  const metadata = { "x-echo": "2026-01-01T00:00:00.000Z" };
  const answer = await client.unary(CERTIFY, CertifyRequest, CertifyResponse, request("a"), { metadata });
  expect(answer.validUntil).toBe("2026-01-01T00:00:00.000Z");
});

test("an abort ends the own client's call", async () => {
  const { port, server } = await start();
  const stop = new AbortController();
  const call = ownClient(port).unary(CERTIFY, CertifyRequest, CertifyResponse, request("hang"), {
    signal: stop.signal,
  });
  await until(() => server.openCallCount === 1);
  stop.abort();
  await expect(call).rejects.toMatchObject({ code: GRPC_STATUS.CANCELLED });
  await until(() => server.openCallCount === 0);
});

test("calls are counted by method and code", async () => {
  const metrics = new MetricsRegistry();
  const { port } = await start({ metrics });
  await foreignCertify(foreignClient(port), request("a"));
  await foreignCertify(foreignClient(port), request("refuse")).catch(() => {});
  expect(metrics.render()).toMatch(/grpc_server_handled_total\{[^}]*FAILED_PRECONDITION[^}]*\} 1/);
});
