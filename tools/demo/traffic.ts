import { PORTS } from "#contracts/ports";
import type { Pod } from "#kube";
import type { DemoCluster } from "./cluster.ts";
import { hasProxy, type SentCount } from "./report.ts";

export const NAMESPACE = "voting";
const CONTROL_PORT = 9000;
const ENOUGH_REQUESTS = 120; // twenty rounds of the six paths
const COUNTED_MS = 30_000;

type Sent = Record<string, SentCount>;

/** Lets the generator send enough, then holds it, so that counts stand still and can be compared. */
export async function sendEnough(cluster: DemoCluster, onCount: (count: number) => void): Promise<Sent> {
  const pod = await partOf(cluster, "traffic");
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const { sent } = JSON.parse(await cluster.httpInPod(pod, CONTROL_PORT, "/sent")) as { sent: Sent };
    const total = sumOf(sent, () => true);
    onCount(total);
    if (total >= ENOUGH_REQUESTS) break;
    if (performance.now() > deadlineMs)
      throw new Error(`The traffic generator sent only ${total} requests within a minute`);
    await Bun.sleep(200);
  }
  const paused = JSON.parse(await cluster.httpInPod(pod, CONTROL_PORT, "/pause", "POST")) as { sent: Sent };
  return paused.sent;
}

export async function resume(cluster: DemoCluster): Promise<void> {
  await cluster.httpInPod(await partOf(cluster, "traffic"), CONTROL_PORT, "/resume", "POST");
}

/**
 * Waits until the proxies' own inbound counters equal what the generator counted, part by part; returns what differs when
 * they never do. A part of which a pod carries no proxy has nothing to compare.
 */
export async function compareCounters(cluster: DemoCluster, sent: Sent): Promise<string[]> {
  const expected: Record<string, { ok: number; failed: number }> = {
    web: { ok: sumOf(sent, () => true, "ok"), failed: sumOf(sent, () => true, "failed") },
    products: { ok: sumOf(sent, (path) => path === "/products", "ok"), failed: 0 },
    voting: { ok: sumOf(sent, isVote, "ok"), failed: sumOf(sent, isVote, "failed") },
  };
  const deadlineMs = performance.now() + COUNTED_MS;
  for (;;) {
    const differences: string[] = [];
    for (const [app, counts] of Object.entries(expected)) {
      const counted = await inboundCounts(cluster, app);
      if (counted === undefined) continue;
      if (typeof counted === "string") differences.push(counted);
      else if (counted.ok !== counts.ok || counted.failed !== counts.failed) {
        differences.push(
          `${app}: proxies counted ${counted.ok} good and ${counted.failed} failed, the generator ${counts.ok} and ${counts.failed}`,
        );
      }
    }
    const lost = sumOf(sent, () => true, "lost");
    if (lost > 0) differences.push(`${lost} requests got no answer`);
    if (differences.length === 0 || performance.now() > deadlineMs || lost > 0) return differences;
    await Bun.sleep(200);
  }
}

function isVote(path: string): boolean {
  return path.startsWith("/vote");
}

function sumOf(sent: Sent, wants: (path: string) => boolean, field: keyof SentCount = "sent"): number {
  return Object.entries(sent).reduce((sum, [path, count]) => sum + (wants(path) ? count[field] : 0), 0);
}

/** Undefined when not every pod of the part carries a proxy; a text when one cannot be read. */
async function inboundCounts(
  cluster: DemoCluster,
  app: string,
): Promise<{ ok: number; failed: number } | string | undefined> {
  const pods = (await cluster.pods(NAMESPACE)).filter(({ metadata }) => metadata.labels?.app === app);
  if (!pods.every(hasProxy)) return undefined;
  const counts = { ok: 0, failed: 0 };
  try {
    for (const pod of pods) add(counts, await cluster.httpInPod(pod, PORTS.proxyAdmin, "/metrics"));
    return counts;
  } catch (thrown) {
    return `${app}: ${(thrown as Error).message}`;
  }
}

function add(counts: { ok: number; failed: number }, metrics: string): void {
  for (const [, labels, value] of metrics.matchAll(/^response_total\{([^}]*)\} (\S+)$/gm)) {
    if (!labels.includes('direction="inbound"') || labels.includes(`target_port="${PORTS.proxyAdmin}"`)) continue;
    counts[labels.includes('classification="success"') ? "ok" : "failed"] += Number(value);
  }
}

async function partOf(cluster: DemoCluster, app: string): Promise<Pod> {
  const pod = (await cluster.pods(NAMESPACE)).find(({ metadata }) => metadata.labels?.app === app);
  if (!pod) throw new Error(`No pod of ${app} in ${NAMESPACE}`);
  return pod;
}
