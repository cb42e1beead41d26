import type { DemoReport } from "./report.ts";

/** Parts whose requests fail on purpose: the one that fails, and the one that calls it. */
const FAILING: ReadonlySet<string> = new Set(["voting", "web"]);

/** What the report itself does not say. */
export interface Seen {
  /** Pods without a proxy, and pods that are not ready, as namespace/name. */
  readonly unmeshed: readonly string[];
  readonly unready: readonly string[];
  /** Other problems, in words. */
  readonly others: readonly string[];
}

/** Everything that is not as it should be, for people; empty when all is well. */
export function problemsOf(report: DemoReport, { unmeshed, unready, others }: Seen): string[] {
  const problems = [...others];
  if (report.check.failed > 0) problems.push(`${report.check.failed} checks failed: run linkerd check`);
  for (const pod of unmeshed) problems.push(`${pod} does not carry a proxy`);
  for (const pod of unready) problems.push(`${pod} is not ready`);
  for (const edge of report.edges) {
    if (!edge.secured) problems.push(`${edge.source} -> ${edge.destination} is not secured`);
    else problems.push(...identityProblems(edge));
  }
  for (const wanted of [
    "voting/traffic voting/web",
    "voting/web voting/products",
    "voting/web voting/voting",
    "voting/web voting/prices",
  ]) {
    const [source, destination] = wanted.split(" ");
    if (!report.edges.some((edge) => edge.source === source && edge.destination === destination))
      problems.push(`No edge ${source} -> ${destination}`);
  }
  for (const { name, success, meshed } of report.stat) {
    if (FAILING.has(name) && success >= 1)
      problems.push(`${name} shows no failures, but voting for doughnut fails on purpose`);
    if (!FAILING.has(name) && success < 1)
      problems.push(`${name} shows failures (success ${success}), but it should have none`);
    if (meshed !== "1/1") problems.push(`${name} has ${meshed} pods meshed`);
  }
  return problems;
}

/** The sample's parts run as ServiceAccounts of their own names; products-slow shares that of products. */
function identityProblems({ source, destination, clientId, serverId }: DemoReport["edges"][number]): string[] {
  const wanted = (name: string): string => {
    const [namespace, deployment] = name.split("/");
    const account = namespace === "voting" ? deployment.replace(/-slow$/, "") : deployment;
    return `${account}.${namespace}.serviceaccount.identity.linkerd.cluster.local`;
  };
  const wrong: string[] = [];
  if (clientId !== wanted(source)) wrong.push(`${source} calls as "${clientId}", wanted ${wanted(source)}`);
  if (serverId !== wanted(destination))
    wrong.push(`${destination} answers as "${serverId}", wanted ${wanted(destination)}`);
  return wrong;
}
