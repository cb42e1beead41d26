import { APPLICATION_PORT, startApplication } from "../application.ts";
import { makePod, on, removePod, SERVER_IP } from "../lab/namespaces.ts";
import { type LabProcess, type Memory, memoryOf } from "../lab/processes.ts";
import { controlPlane, SERVICE } from "../subjects/linkerd.ts";
import { output, redirect, startProxy } from "../subjects/mesh-proxy.ts";
import type { RunningSubject } from "../subjects/subject.ts";
import { fixedRateLoad } from "./fixed-rate.ts";
import { type Figures, type RunContext, type Scenario, throughChain, worstHop } from "./scenario.ts";

const SERVICES = 100;
const PROXIES = 20;
const REQUESTS_EACH = 200;
const SETTLE_MS = 40_000; // a proxy gives back what starting took when it has been quiet for a while
const LOADED_RATE = 10_000;
const BACK_WITHIN = 1.2; // of what it was when idle
const GIVE_BACK_MS = 60_000;
const POLL_MS = 500;

/** What a proxy holds when it does nothing; peers have no services to know, so these are ours alone. */
export const memory: readonly Scenario[] = [
  {
    name: "memory-idle",
    main: "rssAnonKb",
    subjects: ["linkerd-ts"],
    maxRounds: 1,
    run: throughChain("http1", idleAndBack),
  },
  {
    name: "pss-20",
    main: "pssKb",
    subjects: ["linkerd-ts"],
    maxRounds: 1,
    run: (_subject, context) => twenty(context),
  },
];

/** Idle after calls to a hundred services, then loaded, then `ms` until it is back, or a minute. */
async function idleAndBack(running: RunningSubject, { seconds }: RunContext): Promise<Figures> {
  for (const { host, port } of running.addServices!(SERVICES)) {
    const status = await output("client", [
      ..."curl -s -o /dev/null -w %{http_code}".split(" "),
      `http://${host}:${port}/`,
    ]);
    if (status !== "200") throw new Error(`Service ${host} answered "${status}"`);
  }
  await Bun.sleep(SETTLE_MS);
  const idle = worstHop(running);
  await fixedRateLoad(running, LOADED_RATE, seconds);
  const startedAtMs = performance.now();
  const passedMs = (): number => performance.now() - startedAtMs;
  let after = worstHop(running).rssAnonKb!;
  while (after > idle.rssAnonKb! * BACK_WITHIN && passedMs() < GIVE_BACK_MS) {
    await Bun.sleep(POLL_MS);
    after = worstHop(running).rssAnonKb!;
  }
  return { ...idle, ms: passedMs(), rssAnonAfterKb: after };
}

/** Twenty pods with a proxy each, all of one executable, each having served some requests; figures are per proxy. */
async function twenty({ dir }: RunContext): Promise<Figures> {
  const application = await startApplication("http1", dir);
  const control = await controlPlane("http1", APPLICATION_PORT);
  redirect("server");
  const pods = Array.from({ length: PROXIES }, (_, index) => makePod(index));
  const proxies: LabProcess[] = [await startProxy({ host: "server", ip: SERVER_IP, control, dir })];
  try {
    for (const pod of pods) {
      redirect(pod.host);
      proxies.push(await startProxy({ ...pod, control, dir }));
    }
    for (const { host } of pods) await output(host, ["curl", "-s", `http://${SERVICE.host}/[1-${REQUESTS_EACH}]`]);
    await Bun.sleep(SETTLE_MS);
    return mean(proxies.slice(1).map((proxy) => memoryOf(proxy.pids())));
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    control.stop();
    await application.stop();
    for (const { host } of pods) removePod(host);
    Bun.spawnSync(on("server", ["iptables", "-t", "nat", "-F"]));
  }
}

function mean(all: readonly Memory[]): Memory {
  const of = (pick: (one: Memory) => number): number => all.reduce((sum, one) => sum + pick(one), 0) / all.length;
  return { rssAnonKb: of((one) => one.rssAnonKb), pssKb: of((one) => one.pssKb), rssKb: of((one) => one.rssKb) };
}
