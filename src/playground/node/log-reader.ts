import type { LogRequest } from "../api/node-gateway.ts";
import type { ContainerLog, LogLine } from "./container-log.ts";

/** The lines a log request asks for, as bytes, and while it follows, those to come. */
export async function* readLog(log: ContainerLog, request: LogRequest, wallMs: number): AsyncGenerator<Uint8Array> {
  const sinceMs = sinceOf(request, wallMs);
  let { lines, next } = log.read(0);
  const wanted = lines.filter((line) => Date.parse(line.time) >= sinceMs);
  const tail = request.tailLines === undefined ? wanted : wanted.slice(Math.max(0, wanted.length - request.tailLines));
  let leftBytes = request.limitBytes ?? Number.POSITIVE_INFINITY;
  let batch = tail;
  for (;;) {
    for (const line of batch) {
      const bytes = render(line, request.timestamps).subarray(0, leftBytes);
      leftBytes -= bytes.length;
      if (bytes.length > 0) yield bytes;
      if (leftBytes <= 0 || request.signal.aborted) return;
    }
    if (!request.follow || request.signal.aborted) return;
    ({ lines, next } = log.read(next));
    batch = [...lines];
    if (batch.length > 0) continue;
    if (log.isEnded) return;
    await nextWrite(log, request.signal);
  }
}

function render(line: LogLine, hasTimestamps: boolean): Uint8Array {
  const parts: Uint8Array[] = hasTimestamps ? [Buffer.from(`${line.time} `), line.text] : [line.text];
  if (!line.isPartial) parts.push(NEWLINE);
  return new Uint8Array(Buffer.concat(parts));
}

const NEWLINE = Buffer.from("\n");

function sinceOf(request: LogRequest, wallMs: number): number {
  if (request.sinceTime !== undefined) return Date.parse(request.sinceTime);
  return request.sinceSeconds === undefined ? 0 : wallMs - request.sinceSeconds * 1000;
}

function nextWrite(log: ContainerLog, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stop();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const stop = log.follow(done);
    signal.addEventListener("abort", done);
  });
}
