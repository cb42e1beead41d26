import { on } from "../lab/namespaces.ts";

export interface ClosedLoopResult {
  readonly requests: number;
  readonly failed: number;
  readonly rps: number;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

/** HTTP/1.1 as fast as the connections answer, by wrk; `more` are options of its own. */
export async function wrk(
  target: Target,
  connections: number,
  seconds: number,
  more: readonly string[] = [],
): Promise<ClosedLoopResult> {
  const text = await output([
    "wrk",
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    ...more,
    `http://${target.host}:${target.port}/bench`,
  ]);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const errors =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1).map(Number) ?? [];
  return { requests, failed: bad + errors.reduce((sum, count) => sum + count, 0), rps: requests / seconds };
}

export interface Http2Shape {
  readonly connections: number;
  /** Concurrent streams per connection. */
  readonly streams: number;
  /** File with the request's body; none for GET. */
  readonly bodyFile?: string;
}

/** HTTP/2 with prior knowledge, by h2load. */
export async function h2load(target: Target, shape: Http2Shape, seconds: number): Promise<ClosedLoopResult> {
  const body = shape.bodyFile
    ? ["-d", shape.bodyFile, "-H", "content-type: application/grpc", "-H", "te: trailers"]
    : [];
  const text = await output([
    "h2load",
    "-t1",
    `-c${shape.connections}`,
    `-m${shape.streams}`,
    "-D",
    String(seconds),
    ...body,
    `http://${target.host}:${target.port}/bench`,
  ]);
  const counts = /requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed/.exec(text);
  const done = Number(counts?.[2] ?? 0);
  return { requests: Number(counts?.[3] ?? 0), failed: Number(counts?.[4] ?? 0), rps: done / seconds };
}

async function output(command: readonly string[]): Promise<string> {
  const child = Bun.spawn(on("client", command), { stdout: "pipe", stderr: "pipe" });
  const [text, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command[0]} failed (${code}):\n${text}${errors}`);
  return text;
}
