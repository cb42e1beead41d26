/** A client for test pods, on stock parts only. Prints one JSON value. `mesh-client.ts <what> <ip:port> [count]`. */
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import * as grpc from "@grpc/grpc-js";

const [what, target, count = "1"] = process.argv.slice(2);
const [host, port] = target.split(":");

const commands: Record<string, () => Promise<unknown>> = { http, grpc: callGrpc, echo, first, reset, upgrade, hold };
console.log(JSON.stringify(await commands[what]()));
process.exit(0);

async function http(): Promise<unknown> {
  const answers: unknown[] = [];
  for (let i = 0; i < Number(count); i++)
    answers.push(await one(`/path/${i}?status=200`, i % 2 === 1 ? "x".repeat(5000) : ""));
  return answers;
}

function one(path: string, body: string): Promise<unknown> {
  return new Promise((resolve) => {
    const call = httpRequest(
      { host, port, path, method: body ? "POST" : "GET", headers: { host: "web.shop", "x-test": "1" } },
      (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk));
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
      },
    );
    call.on("error", (cause) => resolve({ error: (cause as NodeJS.ErrnoException).code }));
    call.end(body);
  });
}

function callGrpc(): Promise<unknown> {
  const client = new grpc.Client(target, grpc.credentials.createInsecure());
  const identity = (value: Buffer) => value;
  return new Promise((resolve) => {
    const messages: string[] = [];
    const call = client.makeServerStreamRequest("/test.Echo/Say", identity, identity, Buffer.from("hello"));
    call.on("data", (message: Buffer) => messages.push(message.toString()));
    call.on("error", () => {});
    call.on("status", (status) =>
      resolve({ messages, code: status.code, details: status.details, trailer: status.metadata.get("x-trailer")[0] }),
    );
  });
}

/** Sends, half-closes, and reads to the end. */
function echo(): Promise<unknown> {
  return new Promise((resolve) => {
    const bytes = Number(count);
    let read = 0;
    let tail = "";
    const socket = connect({ host, port: Number(port), allowHalfOpen: true }, () =>
      socket.end(Buffer.alloc(bytes, 97)),
    );
    socket.on("data", (chunk) => {
      read += chunk.length;
      tail = chunk.toString("latin1").slice(-3);
    });
    socket.on("end", () => resolve({ read, tail }));
    socket.on("error", (cause) => resolve({ error: (cause as NodeJS.ErrnoException).code, read }));
  });
}

/** Waits for the server to begin. */
function first(): Promise<unknown> {
  return new Promise((resolve) => {
    const heard: string[] = [];
    const startedAtMs = performance.now();
    let greetedAfterMs = -1;
    const socket = connect({ host, port: Number(port) });
    socket.on("data", (chunk) => {
      heard.push(chunk.toString());
      if (greetedAfterMs < 0) {
        greetedAfterMs = performance.now() - startedAtMs;
        socket.write("HELO me\n");
      }
    });
    socket.on("close", () => resolve({ heard, greetedAfterMs }));
    socket.on("error", (cause) => heard.push((cause as NodeJS.ErrnoException).code ?? "error"));
  });
}

/** Turns an HTTP connection into a tunnel and talks through it. */
function upgrade(): Promise<unknown> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host, port: Number(port) }, () =>
      socket.write("GET /tunnel HTTP/1.1\r\nhost: web.shop\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n"),
    );
    socket.on("data", (chunk) => {
      const hadHead = text.includes("\r\n\r\n");
      text += chunk.toString("latin1");
      if (!hadHead && text.includes("\r\n\r\n")) socket.write("through the tunnel");
      if (text.endsWith("through the tunnel")) socket.end();
    });
    socket.on("close", () => resolve({ text }));
    socket.on("error", () => {});
  });
}

/** Keeps a connection until SIGUSR1, then ends it properly. */
function hold(): Promise<unknown> {
  return new Promise((resolve) => {
    let read = 0;
    const socket = connect({ host, port: Number(port), allowHalfOpen: true }, () => socket.write("x"));
    socket.on("data", (chunk) => {
      if (read === 0) console.log("open");
      read += chunk.length;
    });
    process.once("SIGUSR1", () => socket.end());
    socket.on("end", () => resolve({ read }));
    socket.on("error", (cause) => resolve({ error: cause.message }));
  });
}

/** Connects and says whether the connection stands or is broken off. */
function reset(): Promise<unknown> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) }, () => socket.write("hello there, who is it\n"));
    socket.on("data", (chunk) => resolve({ heard: chunk.toString() }));
    socket.on("error", (cause) => resolve({ error: (cause as NodeJS.ErrnoException).code }));
    socket.on("end", () => resolve({ ended: true }));
  });
}
