import { afterAll, beforeAll, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { systemClock } from "#lib/clock";
import { dialTcp } from "#net/dial";
import type { GrpcStatus } from "../../src/proxy/control/channel.ts";
import { GrpcClient } from "../../src/proxy/control/grpc-client.ts";
import { Http2Relay } from "../support/http2-relay.ts";

/** Stock gRPC on both ends, our two HTTP/2 connections between; and our own gRPC client against the stock server. */
const raw = { requestSerialize: keep, requestDeserialize: keep, responseSerialize: keep, responseDeserialize: keep };
const methods = {
  unary: { path: "/test.Echo/Unary", requestStream: false, responseStream: false, ...raw },
  download: { path: "/test.Echo/Download", requestStream: false, responseStream: true, ...raw },
  upload: { path: "/test.Echo/Upload", requestStream: true, responseStream: false, ...raw },
  chat: { path: "/test.Echo/Chat", requestStream: true, responseStream: true, ...raw },
  hang: { path: "/test.Echo/Hang", requestStream: false, responseStream: false, ...raw },
  fail: { path: "/test.Echo/Fail", requestStream: false, responseStream: false, ...raw },
} satisfies grpc.ServiceDefinition;

let server: grpc.Server;
let serverPort = 0;
let relay: Http2Relay;
let client: grpc.Client;
let cancelled = 0;

function keep(bytes: Buffer): Buffer {
  return bytes;
}

beforeAll(async () => {
  server = new grpc.Server();
  server.addService(methods, {
    unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      const trailers = new grpc.Metadata();
      trailers.set("x-trailer", "behind");
      call.sendMetadata(call.metadata);
      done(null, call.request, trailers);
    },
    download: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      for (let index = 0; index < 100; index++) call.write(Buffer.alloc(1000, index));
      call.end();
    },
    upload: (call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) => {
      let total = 0;
      call.on("data", (message: Buffer) => (total += message.length));
      call.on("end", () => done(null, Buffer.from(String(total))));
    },
    chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      call.on("data", (message: Buffer) => call.write(message));
      call.on("end", () => call.end());
    },
    hang: (call: grpc.ServerUnaryCall<Buffer, Buffer>) => void call.on("cancelled", () => cancelled++),
    fail: (_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
      done({ code: grpc.status.FAILED_PRECONDITION, details: "nöt now %" }),
  });
  serverPort = await new Promise<number>((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
  relay = await Http2Relay.start(serverPort);
  client = new grpc.Client(`127.0.0.1:${relay.port}`, grpc.credentials.createInsecure());
});

afterAll(() => {
  client.close();
  server.forceShutdown();
  relay.stop();
});

function unary(path: string, request: Buffer, options: grpc.CallOptions = {}, metadata = new grpc.Metadata()) {
  return new Promise<{
    error: grpc.ServiceError | null;
    response?: Buffer;
    status: grpc.StatusObject;
    head: grpc.Metadata;
  }>((resolve) => {
    let answer: { error: grpc.ServiceError | null; response?: Buffer };
    let head = new grpc.Metadata();
    const call = client.makeUnaryRequest(path, keep, keep, request, metadata, options, (error, response) => {
      answer = { error, response };
    });
    call.on("metadata", (received) => (head = received));
    call.on("status", (status) => setImmediate(() => resolve({ ...answer, status, head })));
  });
}

test("a unary call passes with metadata and trailers", async () => {
  const metadata = new grpc.Metadata();
  metadata.set("x-custom", "value");
  metadata.set("x-data-bin", Buffer.from([0, 1, 255]));
  const { error, response, status, head } = await unary(methods.unary.path, Buffer.from("hello"), {}, metadata);
  expect(error).toBeNull();
  expect(response?.toString()).toBe("hello");
  expect(head.get("x-custom")).toEqual(["value"]);
  expect(head.get("x-data-bin")).toEqual([Buffer.from([0, 1, 255])]);
  expect(status.metadata.get("x-trailer")).toEqual(["behind"]);
});

test("a large unary call passes", async () => {
  const { response } = await unary(methods.unary.path, Buffer.alloc(3_000_000, 7));
  expect(response?.length).toBe(3_000_000);
});

test("a status with a message passes", async () => {
  const { error } = await unary(methods.fail.path, Buffer.alloc(0));
  expect([error?.code, error?.details]).toEqual([grpc.status.FAILED_PRECONDITION, "nöt now %"]);
});

test("an unknown method answers UNIMPLEMENTED", async () => {
  const { error } = await unary("/test.Echo/Nothing", Buffer.alloc(0));
  expect(error?.code).toBe(grpc.status.UNIMPLEMENTED);
});

test("a deadline ends the call and reaches the server", async () => {
  const before = cancelled;
  const { error } = await unary(methods.hang.path, Buffer.alloc(0), { deadline: Date.now() + 100 });
  expect(error?.code).toBe(grpc.status.DEADLINE_EXCEEDED);
  await until(() => cancelled > before);
});

test("a cancel reaches the server", async () => {
  const before = cancelled;
  const code = await new Promise((resolve) => {
    const call = client.makeUnaryRequest(methods.hang.path, keep, keep, Buffer.alloc(0), (error) =>
      resolve(error?.code),
    );
    setImmediate(() => call.cancel());
  });
  expect(code).toBe(grpc.status.CANCELLED);
  expect(cancelled).toBeGreaterThanOrEqual(before);
});

test("a server stream passes in order", async () => {
  const messages: Buffer[] = [];
  const call = client.makeServerStreamRequest(methods.download.path, keep, keep, Buffer.alloc(0));
  call.on("data", (message: Buffer) => messages.push(message));
  await new Promise((resolve, reject) => call.on("end", resolve).on("error", reject));
  expect(messages.map((message) => message[0])).toEqual(Array.from({ length: 100 }, (_, index) => index));
});

test("a client stream passes", async () => {
  const response = await new Promise<Buffer | undefined>((resolve, reject) => {
    const call = client.makeClientStreamRequest(methods.upload.path, keep, keep, (error, value) =>
      error ? reject(error) : resolve(value),
    );
    for (let index = 0; index < 200; index++) call.write(Buffer.alloc(1000));
    call.end();
  });
  expect(response?.toString()).toBe("200000");
});

test("a conversation passes message by message", async () => {
  const call = client.makeBidiStreamRequest(methods.chat.path, keep, keep);
  const heard: string[] = [];
  for (const word of ["one", "two", "three"]) {
    const answer = new Promise<Buffer>((resolve) => call.once("data", resolve));
    call.write(Buffer.from(word));
    heard.push((await answer).toString());
  }
  call.end();
  await new Promise((resolve) => call.on("end", resolve).resume());
  expect(heard).toEqual(["one", "two", "three"]);
});

// --- our own client ---

function ownClient(port = serverPort): GrpcClient {
  return new GrpcClient({
    dial: (outcome) => dialTcp({ address: { ip: "127.0.0.1", port }, timeoutMs: 2000 }, systemClock, outcome),
    authority: `127.0.0.1:${port}`,
    scheme: "http",
    clock: systemClock,
  });
}

function ownCall(own: GrpcClient, path: string, request: Uint8Array, timeoutMs?: number) {
  const messages: Uint8Array[] = [];
  return new Promise<{ messages: Uint8Array[]; status: GrpcStatus }>((resolve) => {
    const sink = {
      message: (bytes: Uint8Array) => messages.push(bytes),
      closed: (status: GrpcStatus) => resolve({ messages, status }),
    };
    own.call(path, request, sink, { timeoutMs });
  });
}

test("our client makes unary and server-streaming calls over one connection", async () => {
  const own = ownClient();
  const unaryAnswer = await ownCall(own, methods.unary.path, Buffer.from("hello"));
  expect(unaryAnswer.status).toEqual({ code: 0, message: "OK" });
  expect(unaryAnswer.messages.map((bytes) => Buffer.from(bytes).toString())).toEqual(["hello"]);
  const streamed = await ownCall(own, methods.download.path, Buffer.alloc(0));
  expect(streamed.messages.map((bytes) => bytes[0])).toEqual(Array.from({ length: 100 }, (_, index) => index));
  own.close();
});

test("our client reads statuses, also those without a body", async () => {
  const own = ownClient();
  expect((await ownCall(own, methods.fail.path, Buffer.alloc(0))).status).toEqual({ code: 9, message: "nöt now %" });
  expect((await ownCall(own, "/test.Echo/Nothing", Buffer.alloc(0))).status.code).toBe(12);
  own.close();
});

test("our client gives up at its deadline and says so", async () => {
  const own = ownClient();
  const before = cancelled;
  expect((await ownCall(own, methods.hang.path, Buffer.alloc(0), 50)).status.code).toBe(4);
  await until(() => cancelled > before);
  own.close();
});

test("our client says UNAVAILABLE when nobody listens", async () => {
  const own = ownClient(1);
  expect((await ownCall(own, methods.unary.path, Buffer.alloc(0))).status.code).toBe(14);
  own.close();
});

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error("Waited 5 s in vain");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
