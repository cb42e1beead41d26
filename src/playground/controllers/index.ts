/** All controllers, started together. Each is a function of objects: it watches, computes what should be, and writes it. */
import type { Controller, ControllerContext } from "./controller.ts";
import { cronJobs } from "./cron-jobs.ts";
import { daemonSets } from "./daemon-sets.ts";
import { deployments } from "./deployments.ts";
import { endpoints } from "./endpoints.ts";
import { garbage } from "./garbage.ts";
import { jobs } from "./jobs.ts";
import { namespaces } from "./namespaces.ts";
import { replicaSets } from "./replica-sets.ts";
import { scheduler } from "./scheduler.ts";
import { serviceAccounts } from "./service-accounts.ts";
import { statefulSets } from "./stateful-sets.ts";

/** Starts them; returns the way to stop. `authorityPem` is what pods verify the API server with. */
export function startControllers(context: ControllerContext, authorityPem: string): () => void {
  const all: readonly Controller[] = [
    serviceAccounts(authorityPem),
    namespaces,
    garbage,
    endpoints,
    scheduler,
    replicaSets,
    deployments,
    statefulSets,
    daemonSets,
    jobs,
    cronJobs,
  ];
  const stops = all.map((start) => start(context));
  return () => {
    for (const stop of stops) stop();
  };
}
