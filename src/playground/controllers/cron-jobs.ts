import type { CronJob } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import { type Controller, type ControllerContext, controlledBy, ownedBy, splitKey, timestamp } from "./controller.ts";
import { parseCron } from "./cron-schedule.ts";
import { follow } from "./follow.ts";
import { WorkQueue } from "./work-queue.ts";

const RESOURCE = "cronjobs.batch";
const JOBS = "jobs.batch";

type CronJobObject = CronJob & KubeObject;

/** Makes a Job each time a CronJob's schedule says so. */
export const cronJobs: Controller = (context) => {
  const queue = new WorkQueue("cronjob", context, (key) => reconcile(context, queue, key));
  return follow(context, queue, { kind: "CronJob", resource: RESOURCE, owned: JOBS });
};

async function reconcile(context: ControllerContext, queue: WorkQueue, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const cron = context.client.get(RESOURCE, namespace, name) as CronJobObject | undefined;
  if (!cron || cron.metadata.deletionTimestamp) return;
  const owned = ownedBy<KubeObject>(context, JOBS, cron);
  const active = owned.filter((job) => !isFinished(job));
  await trim(context, cron, owned);
  const schedule = parseCron(cron.spec?.schedule ?? "");
  const nowMs = context.clock.wallMs();
  const lastMs = Date.parse(cron.status?.lastScheduleTime ?? cron.metadata.creationTimestamp ?? "");
  const dueMs = schedule?.next(lastMs);
  let lastScheduleTime = cron.status?.lastScheduleTime;
  if (dueMs !== undefined && dueMs <= nowMs && !cron.spec?.suspend) {
    lastScheduleTime = timestamp(context.clock);
    await start(context, cron, active, dueMs);
  }
  const nextMs = schedule?.next(nowMs);
  if (nextMs !== undefined) queue.addAfter(key, nextMs - nowMs);
  await writeStatus(context, cron, lastScheduleTime);
}

async function start(
  context: ControllerContext,
  cron: CronJobObject,
  active: readonly KubeObject[],
  dueMs: number,
): Promise<void> {
  if (active.length > 0 && cron.spec?.concurrencyPolicy === "Forbid") return;
  if (cron.spec?.concurrencyPolicy === "Replace")
    for (const job of active)
      await context.client.delete(JOBS, job.metadata.namespace, job.metadata.name, { propagationPolicy: "Background" });
  const template = cloneObject(cron.spec!.jobTemplate);
  const name = `${cron.metadata.name}-${Math.floor(dueMs / 60_000)}`; // minutes since 1970: one Job for each due instant
  try {
    await context.client.create(JOBS, {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: {
        name,
        namespace: cron.metadata.namespace!,
        ...(template.metadata?.labels ? { labels: template.metadata.labels as Record<string, string> } : {}),
        ...(template.metadata?.annotations
          ? { annotations: template.metadata.annotations as Record<string, string> }
          : {}),
        ownerReferences: [controlledBy(cron, "batch/v1", "CronJob")],
      },
      spec: template.spec,
    });
    context.events.note(cron, "CronJob", {
      type: "Normal",
      reason: "SuccessfulCreate",
      message: `Created job ${name}`,
    });
  } catch (cause) {
    if (!(cause instanceof StatusError && cause.reason === "AlreadyExists")) throw cause;
  }
}

/** Keeps as many finished Jobs as the history limits say. */
async function trim(context: ControllerContext, cron: CronJobObject, owned: readonly KubeObject[]): Promise<void> {
  const finished = (type: string): KubeObject[] =>
    owned.filter((job) => hasCondition(job, type)).sort((a, b) => (a.metadata.name < b.metadata.name ? 1 : -1));
  const surplus = [
    ...finished("Complete").slice(cron.spec?.successfulJobsHistoryLimit ?? 3),
    ...finished("Failed").slice(cron.spec?.failedJobsHistoryLimit ?? 1),
  ];
  for (const job of surplus)
    await context.client.delete(JOBS, job.metadata.namespace, job.metadata.name, { propagationPolicy: "Background" });
}

async function writeStatus(
  context: ControllerContext,
  seen: CronJobObject,
  lastScheduleTime: string | undefined,
): Promise<void> {
  const cron = context.client.get(RESOURCE, seen.metadata.namespace, seen.metadata.name) as CronJobObject | undefined;
  if (!cron || cron.metadata.uid !== seen.metadata.uid) return;
  const active = ownedBy<KubeObject>(context, JOBS, cron)
    .filter((job) => !isFinished(job))
    .map((job) => ({
      apiVersion: "batch/v1",
      kind: "Job",
      namespace: job.metadata.namespace,
      name: job.metadata.name,
      uid: job.metadata.uid,
    }));
  const status = {
    ...cron.status,
    ...(lastScheduleTime ? { lastScheduleTime } : {}),
    active: active.length > 0 ? active : undefined,
  };
  if (sameJson(status, cron.status ?? {})) return;
  const next = { ...cloneObject(cron as KubeObject), status };
  delete next.metadata.resourceVersion;
  await context.client.updateStatus(RESOURCE, next);
}

function isFinished(job: KubeObject): boolean {
  return hasCondition(job, "Complete") || hasCondition(job, "Failed");
}

function hasCondition(job: KubeObject, type: string): boolean {
  const status = job["status"] as { conditions?: { type: string; status: string }[] } | undefined;
  return status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
}
