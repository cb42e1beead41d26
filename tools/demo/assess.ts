import type { DemoCluster } from "./cluster.ts";
import type { Steps } from "./install.ts";
import type { Linkerd } from "./linkerd.ts";
import { type DemoReport, hasProxy, isReady, readCheck, readEdges, readProxies, readStat } from "./report.ts";
import { compareCounters, NAMESPACE, sendEnough } from "./traffic.ts";
import { problemsOf } from "./verdict.ts";

const MESHED_NAMESPACES = ["linkerd", "linkerd-viz", NAMESPACE] as const;

/** Sends traffic, holds it, and reads everything the mesh says about it; also what is not as it should be. */
export async function assess(
  cluster: DemoCluster,
  linkerd: Linkerd,
  steps: Steps,
  readyMs: number,
): Promise<{ report: DemoReport; problems: string[]; hasEqualCounts: boolean }> {
  steps.step("Sending traffic");
  const sent = await sendEnough(cluster, (count) => steps.detail(`${count} requests`));
  steps.step("Comparing counters");
  const differences = await compareCounters(cluster, sent);
  steps.step("Checking the mesh");
  const check = await readCheck(linkerd);
  steps.step("Reading metrics");
  const { proxies, silent } = await readProxies(cluster, MESHED_NAMESPACES);
  const report: DemoReport = {
    readyMs,
    check,
    edges: await readEdges(linkerd),
    stat: await readStat(linkerd, NAMESPACE),
    sent,
    proxies,
  };
  const pods = (await Promise.all(MESHED_NAMESPACES.map((namespace) => cluster.pods(namespace)))).flat();
  const unmeshed = pods.filter((pod) => !hasProxy(pod)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const unready = pods.filter((pod) => !isReady(pod)).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const problems = problemsOf(report, { unmeshed, unready, others: [...differences, ...silent] });
  return { report, problems, hasEqualCounts: differences.length === 0 };
}
