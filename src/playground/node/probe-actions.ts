/**
 * One question to a container, as a probe or a lifecycle hook asks it: an HTTP request, a connection, a command or a
 * gRPC health check. They go from the node to the pod's address, as a kubelet's do.
 */
import { connect as connectHttp2 } from "node:http2";
import type { Container, Probe } from "#kube/types";
import type { ContainerProcess } from "./container-process.ts";
import { killEntered } from "./process-tree.ts";

export interface ProbeTarget {
  readonly container: Container;
  readonly process: ContainerProcess;
  readonly podIp: string;
  readonly nodeEnv: Readonly<Record<string, string>>;
}

type Handler = Pick<Probe, "exec" | "grpc" | "httpGet" | "tcpSocket">;

const MAX_OUTPUT = 1024; // characters of an answer kept for the event

/** Undefined when the answer was good, else what was wrong. */
export async function ask(handler: Handler, target: ProbeTarget, timeoutMs: number): Promise<string | undefined> {
  try {
    if (handler.httpGet) return await askHttp(handler.httpGet, target, timeoutMs);
    if (handler.tcpSocket)
      return await askTcp(portOf(handler.tcpSocket.port, target), handler.tcpSocket.host ?? target.podIp, timeoutMs);
    if (handler.exec) return await askCommand(handler.exec.command ?? [], target, timeoutMs);
    if (handler.grpc) return await askGrpc(handler.grpc, target, timeoutMs);
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}

async function askHttp(
  get: NonNullable<Probe["httpGet"]>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  const scheme = (get.scheme ?? "HTTP").toLowerCase();
  const path = get.path?.startsWith("/") ? get.path : `/${get.path ?? ""}`;
  const url = `${scheme}://${get.host ?? target.podIp}:${portOf(get.port, target)}${path}`;
  const headers = new Headers([
    ["user-agent", "kube-probe/playground"],
    ["connection", "close"],
  ]);
  for (const header of get.httpHeaders ?? []) headers.set(header.name, header.value);
  const answer = await fetch(url, {
    headers,
    redirect: "manual",
    keepalive: false,
    signal: AbortSignal.timeout(timeoutMs),
    tls: { rejectUnauthorized: false }, // as kubelets do: a probe asks whether it lives, not who it is
  });
  const body = (await answer.text()).slice(0, MAX_OUTPUT);
  if (answer.status >= 200 && answer.status < 400) return undefined;
  return `HTTP probe failed with statuscode: ${answer.status}${body ? ` (${body})` : ""}`;
}

async function askTcp(port: number, host: string, timeoutMs: number): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(`dial tcp ${host}:${port}: i/o timeout`), timeoutMs);
  Bun.connect({
    hostname: host,
    port,
    socket: {
      open(socket) {
        resolve(undefined);
        socket.end();
      },
      data() {},
      connectError: (_socket, error) => resolve(`dial tcp ${host}:${port}: ${error.message}`),
    },
  }).catch((cause: unknown) => resolve(String(cause)));
  const answer = await promise;
  clearTimeout(timer);
  return answer;
}

async function askCommand(
  command: readonly string[],
  target: ProbeTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  const child = Bun.spawn(target.process.enterArguments(command), {
    env: { ...Object.fromEntries(target.process.plan.env), PATH: target.nodeEnv["PATH"] ?? "" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const timer = setTimeout(() => killEntered(child.pid), timeoutMs);
  const texts = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const code = await child.exited;
  clearTimeout(timer);
  if (code === 0) return undefined;
  if (child.signalCode || code === 137) return `command "${command.join(" ")}" timed out after ${timeoutMs} ms`;
  return `command "${command.join(" ")}" exited with ${code}: ${(await texts).join("").trim().slice(0, MAX_OUTPUT)}`;
}

async function askGrpc(
  grpc: NonNullable<Probe["grpc"]>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<string | undefined> {
  const name = Buffer.from(grpc.service ?? "");
  const message = name.length > 0 ? Buffer.concat([Buffer.from([0x0a, name.length]), name]) : Buffer.alloc(0); // HealthCheckRequest{1: service}
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  const session = connectHttp2(`http://${target.podIp}:${grpc.port}`);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const timer = setTimeout(() => resolve(`timeout: health rpc did not complete within ${timeoutMs} ms`), timeoutMs);
  session.on("error", (error) => resolve(error.message));
  const stream = session.request({
    ":method": "POST",
    ":path": "/grpc.health.v1.Health/Check",
    "content-type": "application/grpc",
    te: "trailers",
  });
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
  stream.on("error", (error) => resolve(error.message));
  // Length-prefixed HealthCheckResponse{1: status}; 1 is SERVING.
  stream.on("end", () =>
    resolve(
      Buffer.concat(chunks)
        .subarray(5)
        .equals(Buffer.from([0x08, 1]))
        ? undefined
        : "service unhealthy (it does not answer SERVING)",
    ),
  );
  stream.end(frame);
  const answer = await promise;
  clearTimeout(timer);
  session.destroy();
  return answer;
}

/** A port given by number or by the name of one of the container's. */
function portOf(port: number | string, { container }: ProbeTarget): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find((candidate) => candidate.name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!Number.isInteger(number)) throw new Error(`Cannot find port "${port}" among the container's ports`);
  return number;
}
