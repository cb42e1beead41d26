import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DemoCluster } from "./cluster.ts";
import type { Linkerd } from "./linkerd.ts";
import type { Progress } from "./progress.ts";
import { NAMESPACE } from "./traffic.ts";

export type Steps = Pick<Progress, "step" | "detail">;

/** How often viz reads the proxies here: the demo is short, and people should not wait for its numbers. */
const SCRAPE_INTERVAL = "1s";

/**
 * Types, control plane, viz, each waited for before the next: the injector must answer before anything that it is to
 * inject is made. The manifests are those of `linkerd install` on any cluster.
 */
export async function installMesh(cluster: DemoCluster, linkerd: Linkerd, steps: Steps): Promise<void> {
  steps.step("Installing the custom resource definitions");
  await cluster.apply(await linkerd.run("install", "--crds", "--set", "installGatewayAPI=true"));
  await install(cluster, steps, "the control plane", await linkerd.run("install"), "linkerd");
  const viz = await linkerd.run("viz", "install", "--set", `metricsAPI.scrapeInterval=${SCRAPE_INTERVAL}`);
  await install(cluster, steps, "the viz extension", viz, "linkerd-viz");
}

/** The sample application, from its manifest (which tests may alter). */
export function installShop(cluster: DemoCluster, steps: Steps, manifest: string): Promise<void> {
  return install(cluster, steps, "the voting shop", manifest, NAMESPACE);
}

export function shopManifest(): string {
  return readFileSync(join(import.meta.dir, "../../examples/voting/voting.yaml"), "utf8");
}

async function install(
  cluster: DemoCluster,
  steps: Steps,
  what: string,
  yaml: string,
  namespace: string,
): Promise<void> {
  steps.step(`Installing ${what}`);
  await cluster.apply(yaml);
  await cluster.rollout(namespace, (missing) => steps.detail(`waiting for ${missing}`));
}
