import { loadProgram } from "../load/program.ts";
import type { RunningSubject } from "../subjects/subject.ts";
import { type Figures, type Scenario, throughChain, worstHop } from "./scenario.ts";

const CONNECTIONS = 64;
const LOADED_RATE = 10_000;
const WARM_UP_SECONDS = 20; // by then a just-in-time compiler is done, as it is in a proxy that lives for days
const COLD_RATE = 2_000;

/** Latency at a fixed rate, counted from the instant each request was due; and memory right after such a load. */
export const fixedRate: readonly Scenario[] = [
  latency("latency-2000", 2_000),
  latency("latency-10000", 10_000),
  {
    name: "latency-cold",
    main: "p99Us",
    subjects: ["linkerd-ts", "nginx", "haproxy", "direct"],
    maxRounds: 3,
    run: throughChain("http1", (running, { seconds }) => fixedRateLoad(running, COLD_RATE, seconds)),
  },
  memory("memory-loaded", WARM_UP_SECONDS),
  memory("memory-cold", 0),
];

function latency(name: string, rate: number): Scenario {
  return {
    name,
    main: "p99Us",
    subjects: ["linkerd-ts", "nginx", "haproxy", "direct"],
    run: throughChain("http1", async (running, { seconds }) => {
      await fixedRateLoad(running, LOADED_RATE, WARM_UP_SECONDS);
      return fixedRateLoad(running, rate, seconds);
    }),
  };
}

function memory(name: string, warmUpSeconds: number): Scenario {
  return {
    name,
    main: "rssAnonKb",
    subjects: ["linkerd-ts", "nginx", "haproxy"],
    maxRounds: 3,
    run: throughChain("http1", async (running, { seconds }) => {
      await fixedRateLoad(running, LOADED_RATE, warmUpSeconds + seconds);
      return worstHop(running);
    }),
  };
}

/** Requests due at Poisson instants, whatever became of earlier ones. */
export async function fixedRateLoad(running: RunningSubject, rate: number, seconds: number): Promise<Figures> {
  const { host, port } = running.target;
  const result = await loadProgram("client", "open-loop.ts", [host, port, rate, seconds, CONNECTIONS]);
  if (result.failed > 0) throw new Error(`${result.failed} requests of the fixed-rate load failed`);
  return { rps: result.rps, p50Us: result.p50Us, p99Us: result.p99Us, p999Us: result.p999Us };
}
