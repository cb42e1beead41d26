import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { connect, createServer, type Server } from "node:net";
import type { ContainerSession, NodeGateway, PortStream } from "../../src/playground/api/node-gateway.ts";
import { type KubectlServer, startKubectlServer } from "./kubectl-server.ts";

/** A node whose containers are shells on this machine and whose pods' ports are loopback's. */
const shellNode: NodeGateway = {
  async *logs(request) {
    const lines = ["one", "two", "three"].slice(-(request.tailLines ?? 3));
    for (const line of lines) yield Buffer.from(`${request.container} ${line}\n`);
  },
  exec: (request) =>
    new Promise((resolve, reject) => {
      const child = spawn(request.command[0]!, request.command.slice(1));
      child.once("error", reject);
      child.once("spawn", () => resolve(sessionOf(child)));
    }),
  attach: async () => sessionOf(spawn("cat")),
  portForward: (_namespace, _pod, port) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(streamOf(socket));
      });
    }),
};

function sessionOf(child: ChildProcess): ContainerSession {
  return {
    start(sink) {
      child.stdout!.on("data", (chunk: Buffer) => sink.stdout(chunk));
      child.stderr!.on("data", (chunk: Buffer) => sink.stderr(chunk));
      child.stdin!.on("drain", () => sink.drained());
      child.stdin!.on("error", () => {}); // the command may end before its input
      child.on("error", (cause) => sink.ended({ failure: cause.message }));
      child.on("close", (code) => sink.ended({ exitCode: code ?? 137 }));
    },
    writeStdin: (chunk) => child.stdin!.write(chunk),
    closeStdin: () => void child.stdin!.end(),
    resize() {},
    close: () => void child.kill("SIGKILL"),
  };
}

function streamOf(socket: ReturnType<typeof connect>): PortStream {
  return {
    start(sink) {
      socket.on("data", (chunk: Buffer) => sink.data(chunk));
      socket.on("end", () => sink.end());
      socket.on("drain", () => sink.drained());
      socket.on("error", () => {}); // close follows
      socket.on("close", () => sink.closed(undefined));
    },
    write: (chunk) => socket.write(chunk),
    end: () => void socket.end(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => void socket.destroy(),
  };
}

let cluster: KubectlServer;
let echo: Server;
const forwards: ChildProcess[] = [];

beforeAll(async () => {
  cluster = await startKubectlServer();
  cluster.server.useNode(shellNode);
  await cluster.kubectl("create serviceaccount default");
  await cluster.kubectl("run box --image=x");
  const client = cluster.server.client("node");
  await client.updateStatus("pods", { ...client.get("pods", "default", "box")!, status: { phase: "Running" } });
  echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  for (const child of forwards) child.kill();
  echo.close();
  await cluster.close();
});

test("exec carries output, errors and the exit code", async () => {
  const result = await cluster.run(["exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
  expect([result.out, result.err.split("\n")[0], result.code]).toEqual(["out\n", "err", 3]);
});

test("exec -i carries megabytes of input to its end", async () => {
  const input = "0123456789abcdef".repeat(200_000);
  const result = await cluster.run(["exec", "-i", "box", "--", "sha1sum"], input);
  expect(result.out.split(" ")[0]).toBe(createHash("sha1").update(input).digest("hex"));
});

test("exec brings megabytes of output back whole", async () => {
  const result = await cluster.run(["exec", "box", "--", "sh", "-c", "yes 0123456789 | head -c 3000000"]);
  expect([result.out.length, result.code]).toEqual([3_000_000, 0]);
});

test("a command that is not there ends with what went wrong", async () => {
  const result = await cluster.run(["exec", "box", "--", "/no/such/program"]);
  expect(result.code).not.toBe(0);
  expect(result.err).toContain("/no/such/program");
});

test("attach joins the container's streams", async () => {
  const result = await cluster.run(["attach", "-i", "box"], "hello\n");
  expect(result.out).toContain("hello");
});

test("logs are text, cut as asked", async () => {
  expect((await cluster.kubectl("logs box --tail=2")).out).toBe("box two\nbox three\n");
  expect((await cluster.kubectl("logs box -c nope")).err).toContain("container nope is not valid for pod box");
});

test("port-forward carries many connections, with half-close", async () => {
  const { port } = echo.address() as { port: number };
  const local = await forward(port);
  const sizes = [10, 100_000, 2_000_000];
  const got = await Promise.all(sizes.map((size) => roundTrip(local, Buffer.alloc(size, size % 251))));
  expect(got).toEqual(
    sizes.map((size) =>
      createHash("sha1")
        .update(Buffer.alloc(size, size % 251))
        .digest("hex"),
    ),
  );
  expect(await roundTrip(local, Buffer.from("again"))).toBe(createHash("sha1").update("again").digest("hex"));
});

test("our own clients forward by channels, without SPDY", async () => {
  const { port } = echo.address() as { port: number };
  const url = cluster.server.addresses[0] as { port: number };
  const account = cluster.server.client("test");
  await account.create("clusterrolebindings.rbac.authorization.k8s.io", {
    metadata: { name: "default-admin" },
    roleRef: { kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ kind: "ServiceAccount", name: "default", namespace: "default" }],
  });
  const { token } = cluster.server.tokens.issue({ namespace: "default", serviceAccount: "default" });
  const socket = new WebSocket(
    `wss://127.0.0.1:${url.port}/api/v1/namespaces/default/pods/box/portforward?ports=${port}`,
    {
      headers: { authorization: `Bearer ${token}` },
      protocols: ["v4.channel.k8s.io"],
      tls: { ca: cluster.server.caPem },
    } as never,
  );
  socket.binaryType = "arraybuffer";
  const messages: Buffer[] = [];
  const echoed = new Promise<void>((resolve, reject) => {
    socket.onmessage = (event) => {
      messages.push(Buffer.from(event.data as ArrayBuffer));
      if (messages.length === 2) socket.send(Buffer.from([0, 0x68, 0x69]));
      if (messages.length === 3) resolve();
    };
    socket.onerror = reject;
  });
  await echoed;
  socket.close();
  const little = [port & 0xff, port >> 8];
  expect(messages.map((message) => [...message])).toEqual([
    [0, ...little],
    [1, ...little],
    [0, 0x68, 0x69],
  ]);
});

test("streams without credentials or without a websocket are refused in words", async () => {
  const { port } = cluster.server.addresses[0] as { port: number };
  const url = `https://127.0.0.1:${port}/api/v1/namespaces/default/pods/box/exec?command=sh`;
  const tls = { ca: cluster.server.caPem };
  expect((await fetch(url, { tls } as RequestInit)).status).toBe(401);
  const { token } = cluster.server.tokens.issue({ namespace: "default", serviceAccount: "default" });
  const refused = await fetch(url, { tls, headers: { authorization: `Bearer ${token}` } } as RequestInit);
  expect([refused.status, ((await refused.json()) as { reason: string }).reason]).toEqual([400, "BadRequest"]);
});

/** Starts `kubectl port-forward` and answers with the local port once it listens. */
function forward(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = cluster.spawn(["port-forward", "pod/box", `:${port}`]);
    forwards.push(child);
    let text = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const local = /127\.0\.0\.1:(\d+) ->/.exec(text)?.[1];
      if (local) resolve(Number(local));
    });
    child.on("close", () => reject(new Error(`kubectl port-forward ended: ${text}`)));
  });
}

function roundTrip(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const hash = createHash("sha1");
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    socket.on("connect", () => socket.end(bytes));
    socket.on("data", (chunk: Buffer) => hash.update(chunk));
    socket.on("end", () => resolve(hash.digest("hex")));
    socket.on("error", reject);
  });
}
