import { expect, test } from "bun:test";
import type { LogRequest } from "../api/node-gateway.ts";
import { ContainerLog } from "./container-log.ts";
import { readLog } from "./log-reader.ts";

const request: LogRequest = {
  namespace: "n",
  pod: "p",
  container: "c",
  follow: false,
  previous: false,
  timestamps: false,
  signal: new AbortController().signal,
};

async function text(log: ContainerLog, more: Partial<LogRequest> = {}): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of readLog(log, { ...request, ...more }, 10_000)) parts.push(part);
  return Buffer.concat(parts).toString();
}

test("lines are put together across chunks and kept apart by stream", async () => {
  const log = new ContainerLog();
  log.write("stdout", Buffer.from("one\ntw"), 1_000);
  log.write("stderr", Buffer.from("err\n"), 2_000);
  log.write("stdout", Buffer.from("o\nrest"), 3_000);
  log.end(4_000);
  expect(await text(log)).toBe("one\nerr\ntwo\nrest");
  expect(await text(log, { tailLines: 1 })).toBe("rest");
  expect(await text(log, { sinceSeconds: 7 })).toBe("two\nrest");
  expect(await text(log, { limitBytes: 5 })).toBe("one\ne");
  expect(await text(log, { timestamps: true, tailLines: 2 })).toBe(
    "1970-01-01T00:00:03.000000000Z two\n1970-01-01T00:00:04.000000000Z rest",
  );
});

test("a follower gets every line and ends with the container", async () => {
  const log = new ContainerLog();
  log.write("stdout", Buffer.from("a\n"), 0);
  const followed = text(log, { follow: true });
  await Promise.resolve();
  log.write("stdout", Buffer.from("b\n"), 0);
  log.end(0);
  expect(await followed).toBe("a\nb\n");
});

test("the oldest lines go when the log is full", async () => {
  const log = new ContainerLog();
  const line = Buffer.from(`${"x".repeat(8_000)}\n`);
  for (let i = 0; i < 1_000; i++) log.write("stdout", line, 0);
  const { lines, next } = log.read(0);
  expect(next).toBe(1_000);
  expect(lines.length).toBe(Math.floor((4 * 1024 * 1024) / 8_000));
});
