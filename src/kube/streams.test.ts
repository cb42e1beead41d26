import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { createRootCa, issueServingCertificate } from "#x509";
import { KubeClient } from "./index.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Seen {
  readonly urls: string[];
  readonly headers: Headers[];
  closedCount: number;
}

const PORT_PREFIX = new Uint8Array([80, 0]); // the first message of each channel: the port, little-endian

/** An API server whose pods answer each chunk with the same bytes in upper case, and whose port 81 is refused. */
async function start(): Promise<{ client: KubeClient; seen: Seen }> {
  const nowMs = Date.now();
  const ca = await createRootCa({ name: "kubernetes", lifetimeMs: 3_600_000, nowMs });
  const { certPem, keyPem } = await issueServingCertificate(ca, {
    dnsNames: ["localhost"],
    lifetimeMs: 3_600_000,
    nowMs,
  });
  const seen: Seen = { urls: [], headers: [], closedCount: 0 };
  const server = Bun.serve<{ port: string }>({
    port: 0,
    hostname: "localhost",
    tls: { cert: certPem, key: keyPem },
    fetch(request, bun) {
      const url = new URL(request.url);
      seen.urls.push(url.pathname + url.search);
      seen.headers.push(request.headers);
      if (!url.pathname.endsWith("/portforward")) return logAnswer(url);
      const data = { port: url.searchParams.get("ports") ?? "" };
      const headers = { "sec-websocket-protocol": "v4.channel.k8s.io" };
      return bun.upgrade(request, { data, headers }) ? undefined : new Response("no", { status: 400 });
    },
    websocket: {
      open(socket) {
        for (const channel of [0, 1]) socket.sendBinary(Buffer.from([channel, ...PORT_PREFIX]));
        if (socket.data.port === "81")
          socket.sendBinary(Buffer.concat([Buffer.from([1]), Buffer.from("connection refused")]));
      },
      message(socket, message) {
        const bytes = Buffer.from(message as Buffer);
        if (bytes[0] === 0)
          socket.sendBinary(Buffer.concat([Buffer.from([0]), Buffer.from(bytes.subarray(1).toString().toUpperCase())]));
        if (bytes.toString().includes("bye")) socket.close();
      },
      close() {
        seen.closedCount++;
      },
    },
  });
  closers.push(() => server.stop(true));
  const cluster = {
    server: `https://localhost:${server.port}`,
    ca: ca.certPem,
    namespace: "default",
    context: "test",
    credentials: async () => ({ authorization: "Bearer t" }),
  };
  return { client: new KubeClient(cluster), seen };
}

function logAnswer(url: URL): Response {
  if (url.searchParams.get("follow") !== "true") return new Response("one\ntwo\n\nlast");
  return new Response(
    new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("début\nnex")),
    }),
  );
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 4_000;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error("The condition did not become true within 4 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function dial(port: number): { socket: Socket; read: () => string; isClosed: () => boolean } {
  let text = "";
  let isClosed = false;
  const socket = connect(port, "127.0.0.1");
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  closers.push(() => socket.destroy());
  return { socket, read: () => text, isClosed: () => isClosed };
}

test("a port forward carries bytes both ways, each connection on its own websocket", async () => {
  const { client, seen } = await start();
  const forward = await client.portForward({ pod: "web-1", namespace: "shop", port: 80 });
  closers.push(() => forward.close());
  const [one, two] = [dial(forward.port), dial(forward.port)];
  one.socket.write("hello");
  two.socket.write("other");
  await until(() => one.read() === "HELLO" && two.read() === "OTHER");
  expect(seen.urls).toEqual(Array(2).fill("/api/v1/namespaces/shop/pods/web-1/portforward?ports=80"));
  expect(seen.headers[0]!.get("authorization")).toBe("Bearer t");
  one.socket.destroy();
  await until(() => seen.closedCount === 1);
  two.socket.write("bye");
  await until(() => two.isClosed());
  expect(two.read()).toBe("OTHERBYE");
});

test("a large transfer through a port forward arrives whole", async () => {
  const { client } = await start();
  const forward = await client.portForward({ pod: "web-1", namespace: "shop", port: 80 });
  closers.push(() => forward.close());
  const { socket, read } = dial(forward.port);
  const text = "abcdefghij".repeat(300_000);
  socket.write(text);
  await until(() => read().length === text.length);
  expect(read() === text.toUpperCase()).toBe(true);
});

test("what the pod refuses is reported and ends the connection", async () => {
  const { client } = await start();
  const errors: string[] = [];
  const options = { pod: "web-1", namespace: "shop", port: 81, onError: (error: Error) => errors.push(error.message) };
  const forward = await client.portForward(options);
  closers.push(() => forward.close());
  const { isClosed } = dial(forward.port);
  await until(() => isClosed() && errors.length > 0);
  expect(errors).toEqual(["Cannot forward port 81 of pod web-1: connection refused"]);
});

test("a port in use is refused with what to do", async () => {
  const { client } = await start();
  const first = await client.portForward({ pod: "a", namespace: "b", port: 80 });
  closers.push(() => first.close());
  const second = client.portForward({ pod: "a", namespace: "b", port: 80, localPort: first.port });
  await expect(second).rejects.toThrow(`Cannot listen on 127.0.0.1:${first.port}`);
});

test("logs come line by line, with their options in the query", async () => {
  const { client, seen } = await start();
  const lines: string[] = [];
  for await (const line of client.logs("web-1", "shop", { container: "app", tailLines: 5 })) lines.push(line);
  expect(lines).toEqual(["one", "two", "last"]);
  expect(seen.urls).toEqual(["/api/v1/namespaces/shop/pods/web-1/log?container=app&tailLines=5"]);
});

test("a followed log ends when asked to", async () => {
  const { client } = await start();
  const stop = new AbortController();
  const lines: string[] = [];
  for await (const line of client.logs("web-1", "shop", { follow: true, signal: stop.signal })) {
    lines.push(line);
    stop.abort();
  }
  expect(lines[0]).toBe("début");
});
