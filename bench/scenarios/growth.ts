import { wrk } from "../load/closed-loop.ts";
import type { RunningSubject } from "../subjects/subject.ts";
import { churn } from "./connections.ts";
import { type Figures, type Scenario, throughChain, worstHop } from "./scenario.ts";

const EARLY = { requests: 1e6, clients: 1e4, peers: 1e4 }; // by then everything has been used that will be
const LATE = { requests: 9e6, clients: 9e4, peers: 9e4 };
const CONNECTIONS = 50;
const STEP_SECONDS = 10;
const SETTLE_MS = 40_000; // what is not needed has been given back

/** Private memory when quiet: early in a proxy's life, and after ten million requests and twice a hundred thousand connections. */
export const growth: Scenario = {
  name: "growth",
  main: "rssAnonAfterKb",
  subjects: ["linkerd-ts"],
  maxRounds: 1,
  isOnlyByName: true, // nine minutes
  run: throughChain("http1", async (running) => {
    const early = await quietAfter(running, EARLY);
    const late = await quietAfter(running, LATE);
    return { ...early, rssAnonAfterKb: late.rssAnonKb! };
  }),
};

/** `clients` connect in plain text and are intercepted, `peers` with mutual TLS to the inbound hop. */
async function quietAfter(running: RunningSubject, amounts: typeof EARLY): Promise<Figures> {
  const { target, inbound } = running;
  await atLeast(amounts.requests, () => wrk(target, CONNECTIONS, STEP_SECONDS));
  await atLeast(amounts.clients, () => wrk(target, CONNECTIONS, STEP_SECONDS, ["-H", "connection: close"]));
  await atLeast(amounts.peers, async () => {
    const { answered, failed } = await churn(inbound!, STEP_SECONDS);
    return { requests: answered!, failed: failed! };
  });
  await Bun.sleep(SETTLE_MS);
  return worstHop(running);
}

async function atLeast(count: number, load: () => Promise<{ requests: number; failed: number }>): Promise<void> {
  for (let done = 0; done < count; ) {
    const { requests, failed } = await load();
    if (requests === 0 || failed > 0) throw new Error(`${failed} of the load failed, ${requests} got through`);
    done += requests;
  }
}
