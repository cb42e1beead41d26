import { join } from "node:path";
import { cpuUs } from "../lab/processes.ts";
import { h2load, wrk } from "../load/closed-loop.ts";
import { loadProgram } from "../load/program.ts";
import type { RunningSubject } from "../subjects/subject.ts";
import { type Figures, type Scenario, throughChain } from "./scenario.ts";

const CONNECTIONS = 50;
const WARM_UP_SECONDS = 2; // connections made, code compiled, buffers grown: not what a long-lived proxy does all day
const BULK_BYTES = 1_000_000_000;
const BULK_CONNECTIONS = 4;

/** CPU of both hops, as fast as the clients' connections answer. */
export const throughput: readonly Scenario[] = [
  {
    name: "http1-mtls",
    main: "cpuUsPerRequest",
    subjects: ["linkerd-ts", "nginx", "haproxy"],
    run: throughChain("http1", (running, { seconds }) =>
      perRequest(running, seconds, (time) => wrk(running.target, CONNECTIONS, time)),
    ),
  },
  {
    name: "http2-mtls",
    main: "cpuUsPerRequest",
    subjects: ["linkerd-ts", "haproxy", "nghttpx"],
    run: throughChain("http2", (running, { seconds, dir }) => {
      const shape = { connections: 10, streams: 10, bodyFile: join(dir, "grpc-request") };
      return perRequest(running, seconds, (time) => h2load(running.target, shape, time));
    }),
  },
  {
    name: "opaque-mtls",
    main: "cpuSPerGb",
    subjects: ["linkerd-ts", "nginx", "haproxy"],
    run: throughChain("opaque", bulk),
  },
];

async function perRequest(
  running: RunningSubject,
  seconds: number,
  load: (seconds: number) => Promise<{ requests: number; failed: number; rps: number }>,
): Promise<Figures> {
  await load(WARM_UP_SECONDS);
  const pids = running.hops().flat();
  const before = cpuUs(pids);
  const result = await load(seconds);
  const spent = cpuUs(pids) - before;
  if (result.requests === 0 || result.failed > result.requests / 1_000) {
    throw new Error(`The load did not get through: ${result.requests} answered, ${result.failed} failed`);
  }
  return { cpuUsPerRequest: spent / result.requests, rps: result.rps };
}

async function bulk(running: RunningSubject): Promise<Figures> {
  const { host, port } = running.target;
  const pids = running.hops().flat();
  const before = cpuUs(pids);
  const { bytes, ms } = await loadProgram("client", "byte-sink.ts", [host, port, BULK_BYTES, BULK_CONNECTIONS]);
  return { cpuSPerGb: (cpuUs(pids) - before) / 1e6 / (bytes / 1e9), ms };
}
