import { join } from "node:path";
import { APPLICATION_PORT, startApplication } from "./application.ts";
import type { Certificates } from "./lab/certificates.ts";
import { on } from "./lab/namespaces.ts";
import { cpuUs, memoryOf } from "./lab/processes.ts";
import { h2load, wrk } from "./load/closed-loop.ts";
import { prove } from "./proof.ts";
import type { LabPaths, Protocol, RunningSubject, Subject } from "./subjects/subject.ts";

/** One measured run of one subject; fields that a scenario does not measure are left out. */
export interface Figures {
  cpuUsPerRequest?: number;
  cpuSPerGb?: number;
  rps?: number;
  p50Us?: number;
  p99Us?: number;
  p999Us?: number;
  rssAnonKb?: number;
  pssKb?: number;
  rssKb?: number;
  ms?: number;
}

export interface Scenario {
  readonly name: string;
  readonly protocol: Protocol;
  /** The figure that ratios are made of; smaller is better. */
  readonly main: keyof Figures;
  measure(running: RunningSubject, seconds: number, paths: LabPaths): Promise<Figures>;
}

const CONNECTIONS = 50;
const WARM_UP_SECONDS = 2; // connections made, code compiled, buffers grown: not what a long-lived proxy does all day
const BULK_BYTES = 1_000_000_000;

export const scenarios: readonly Scenario[] = [
  {
    name: "http1-mtls",
    protocol: "http1",
    main: "cpuUsPerRequest",
    measure: (running, seconds) => perRequest(running, seconds, (time) => wrk(running.target, CONNECTIONS, time)),
  },
  {
    name: "http2-mtls",
    protocol: "http2",
    main: "cpuUsPerRequest",
    measure: (running, seconds, { dir }) => {
      const shape = { connections: 10, streams: 10, bodyFile: join(dir, "grpc-request") };
      return perRequest(running, seconds, (time) => h2load(running.target, shape, time));
    },
  },
  { name: "opaque-mtls", protocol: "opaque", main: "cpuSPerGb", measure: bulk },
  latency("latency-2000", 2_000),
  latency("latency-10000", 10_000),
  {
    name: "memory-loaded",
    protocol: "http1",
    main: "rssAnonKb",
    async measure(running, seconds) {
      await openLoop(running, 10_000, seconds);
      return worstHop(running);
    },
  },
];

function latency(name: string, rate: number): Scenario {
  return { name, protocol: "http1", main: "p99Us", measure: (running, seconds) => openLoop(running, rate, seconds) };
}

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
  const pids = running.hops().flat();
  const before = cpuUs(pids);
  const { bytes, ms } = await clientTool("byte-sink.ts", running.target.host, running.target.port, BULK_BYTES, 4);
  return { cpuSPerGb: (cpuUs(pids) - before) / 1e6 / (bytes / 1e9), ms };
}

async function openLoop(running: RunningSubject, rate: number, seconds: number): Promise<Figures> {
  const { host, port } = running.target;
  const result = await clientTool("open-loop.ts", host, port, rate, seconds, 64);
  if (result.failed > 0) throw new Error(`${result.failed} requests of the fixed-rate load failed`);
  return { rps: result.rps, p50Us: result.p50Us, p99Us: result.p99Us, p999Us: result.p999Us };
}

async function clientTool(file: string, ...args: (string | number)[]): Promise<Record<string, number>> {
  const command = on("client", [process.execPath, join(import.meta.dir, "load", file), ...args.map(String)]);
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [text, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${file} failed:\n${errors}`);
  return JSON.parse(text);
}

/** Memory of the larger of the two hops: the figure for "a proxy". */
export function worstHop(running: RunningSubject): Figures {
  const each = running.hops().map(memoryOf);
  return each.length === 0 ? {} : each.reduce((worst, one) => (one.rssAnonKb > worst.rssAnonKb ? one : worst));
}

/** Starts application and subject, proves that the chain is what it claims to be, measures, stops everything. */
export async function runOnce(
  scenario: Scenario,
  subject: Subject,
  seconds: number,
  dir: string,
  certificates: Certificates,
): Promise<Figures> {
  const paths: LabPaths = { dir, certificates, applicationPort: APPLICATION_PORT };
  const application = await startApplication(scenario.protocol, dir);
  let running: RunningSubject | undefined;
  try {
    running = await subject.start(scenario.protocol, paths);
    await prove(subject, running, scenario.protocol, paths);
    return await scenario.measure(running, seconds, paths);
  } finally {
    await running?.stop();
    await application.stop();
  }
}
