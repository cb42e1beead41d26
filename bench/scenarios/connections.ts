import { on } from "../lab/namespaces.ts";
import { cpuUs, memoryOf } from "../lab/processes.ts";
import { loadProgram } from "../load/program.ts";
import type { InboundHop, RunningSubject } from "../subjects/subject.ts";
import { type Figures, type RunContext, type Scenario, throughChain } from "./scenario.ts";

const CONCURRENCY = 8;
const WARM_UP_SECONDS = 1;
const WARM_UP_CONNECTIONS = 100; // few: peers keep what they once had, and would seem to need nothing
const IDLE_CONNECTIONS = 2_000;
const SETTLE_MS = 3_000; // garbage of the handshakes is collected
const PROGRAM = "mtls-connections.ts";

/** What connections cost the hop that they come in at; each is proved by one answered request. */
export const connections: readonly Scenario[] = [
  {
    name: "handshake",
    main: "cpuUsPerRequest", // per handshake with its one request; perCpuSecond says the same the other way round
    subjects: ["linkerd-ts", "nginx", "haproxy"],
    run: throughChain("http1", handshakes),
  },
  {
    name: "idle-connections",
    main: "rssAnonKb", // per connection
    subjects: ["linkerd-ts", "nginx", "haproxy"],
    maxRounds: 3,
    run: throughChain("http1", idleConnections),
  },
];

async function handshakes(running: RunningSubject, { seconds }: RunContext): Promise<Figures> {
  await churn(running.inbound!, WARM_UP_SECONDS);
  const pids = running.hops().at(-1)!;
  const before = cpuUs(pids);
  const { answered } = await churn(running.inbound!, seconds);
  const each = (cpuUs(pids) - before) / answered;
  return { cpuUsPerRequest: each, perCpuSecond: 1e6 / each, rps: answered / seconds };
}

export function churn(inbound: InboundHop, seconds: number): Promise<Record<string, number>> {
  return loadProgram("client", PROGRAM, ["churn", ...addressOf(inbound), seconds, CONCURRENCY], inbound.as);
}

async function idleConnections(running: RunningSubject): Promise<Figures> {
  const pids = running.hops().at(-1)!;
  await (await hold(running.inbound!, WARM_UP_CONNECTIONS))();
  await Bun.sleep(SETTLE_MS);
  const before = memoryOf(pids);
  const release = await hold(running.inbound!, IDLE_CONNECTIONS);
  await Bun.sleep(SETTLE_MS);
  const after = memoryOf(pids);
  await release();
  return { rssAnonKb: Math.max(0, after.rssAnonKb - before.rssAnonKb) / IDLE_CONNECTIONS };
}

/** Opens connections and keeps them until the returned function is called. */
async function hold(inbound: InboundHop, count: number): Promise<() => Promise<void>> {
  const program = [process.execPath, `${import.meta.dir}/../load/${PROGRAM}`];
  const args = ["hold", ...addressOf(inbound), count, CONCURRENCY].map(String);
  const child = Bun.spawn(on("client", [...inbound.as, ...program, ...args]), {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const release = async (): Promise<void> => {
    child.stdin.end();
    await child.exited;
  };
  for await (const text of child.stdout) {
    const { answered } = JSON.parse(new TextDecoder().decode(text));
    if (answered === count) return release;
    await release();
    throw new Error(`${answered} of ${count} connections came up`);
  }
  throw new Error(`The program that holds ${count} connections ended early`);
}

function addressOf({ host, port, serverName, certFile, keyFile, caFile }: InboundHop): (string | number)[] {
  return [host, port, serverName, certFile, keyFile, caFile];
}
