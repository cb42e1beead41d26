import type { Job, Pod } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import { type Controller, type ControllerContext, controlledBy, ownedBy, splitKey, timestamp } from "./controller.ts";
import { follow } from "./follow.ts";
import { createPod, deletePod, isActive, isReady, type PodObject, podFromTemplate } from "./pods.ts";
import { WorkQueue } from "./work-queue.ts";

const RESOURCE = "jobs.batch";
const RETRY_MIN_MS = 1_000; // after the first failed pod, doubling; a cluster starts at 10 s
const RETRY_MAX_MS = 360_000;

type JobObject = Job & KubeObject;

/** Runs each Job's pods until enough have succeeded or too many have failed. */
export const jobs: Controller = (context) => {
  const queue = new WorkQueue("job", context, (key) => reconcile(context, queue, key));
  return follow(context, queue, { kind: "Job", resource: RESOURCE, owned: "pods" });
};

/** What a Job's pods come to, and what should be done. Pure. */
export interface JobPlan {
  readonly create: number;
  readonly condition:
    | { readonly type: "Complete" | "Failed"; readonly reason: string; readonly message: string }
    | undefined;
  readonly succeeded: number;
  readonly failed: number;
}

export function planJob(job: Job, pods: readonly Pod[], nowMs: number): JobPlan {
  const succeeded = pods.filter((pod) => pod.status?.phase === "Succeeded").length;
  const failed = pods.filter((pod) => pod.status?.phase === "Failed").length;
  const active = pods.filter(isActive).length;
  const spec = job.spec ?? { template: {} };
  const parallelism = spec.parallelism ?? 1;
  const restarts = pods
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .reduce((sum, status) => sum + status.restartCount, 0);
  const deadlineMs = job.status?.startTime
    ? Date.parse(job.status.startTime) + (spec.activeDeadlineSeconds ?? Number.POSITIVE_INFINITY) * 1000
    : Number.POSITIVE_INFINITY;
  const end = (type: "Complete" | "Failed", reason: string, message: string): JobPlan => ({
    create: 0,
    condition: { type, reason, message },
    succeeded,
    failed,
  });
  if (
    failed > (spec.backoffLimit ?? 6) ||
    (spec.template.spec?.restartPolicy === "OnFailure" && restarts > (spec.backoffLimit ?? 6))
  )
    return end("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
  if (nowMs >= deadlineMs) return end("Failed", "DeadlineExceeded", "Job was active longer than specified deadline");
  const isDone = spec.completions === undefined ? succeeded > 0 && active === 0 : succeeded >= spec.completions;
  if (isDone) return end("Complete", "CompletionsReached", "Reached expected number of succeeded pods");
  const left = spec.completions === undefined ? (succeeded > 0 ? 0 : parallelism) : spec.completions - succeeded;
  const wanted = spec.suspend ? 0 : Math.min(parallelism, left);
  return { create: Math.max(0, wanted - active), condition: undefined, succeeded, failed };
}

async function reconcile(context: ControllerContext, queue: WorkQueue, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const job = context.client.get(RESOURCE, namespace, name) as JobObject | undefined;
  if (!job || job.metadata.deletionTimestamp) return;
  if (endOf(job)) return await cleanUp(context, queue, key, job);
  const pods = ownedBy<PodObject>(context, "pods", job);
  const nowMs = context.clock.wallMs();
  const plan = planJob(job, pods, nowMs);
  const waitMs = plan.create > 0 ? retryInMs(pods, nowMs) : 0;
  if (waitMs > 0) queue.addAfter(key, waitMs);
  const count = waitMs > 0 ? 0 : plan.create;
  const reference = controlledBy(job, "batch/v1", "Job");
  const made = Array.from({ length: count }, () =>
    createPod(context, job, "Job", podFromTemplate(job.spec!.template, job, reference, { generateName: `${name}-` })),
  );
  await Promise.all(made);
  if (plan.condition) for (const pod of pods.filter(isActive)) await deletePod(context, job, "Job", pod);
  if (job.spec?.activeDeadlineSeconds) queue.addAfter(key, job.spec.activeDeadlineSeconds * 1000);
  await writeStatus(context, job, plan);
}

/** Failed pods are followed by others after a growing pause. */
function retryInMs(pods: readonly Pod[], nowMs: number): number {
  const failures = pods.filter((pod) => pod.status?.phase === "Failed");
  if (failures.length === 0) return 0;
  const ends = failures
    .flatMap((pod) => pod.status?.containerStatuses ?? [])
    .map((s) => Date.parse(s.state?.terminated?.finishedAt ?? ""));
  const last = Math.max(0, ...ends.filter(Number.isFinite));
  return last + Math.min(RETRY_MIN_MS * 2 ** (failures.length - 1), RETRY_MAX_MS) - nowMs;
}

async function writeStatus(context: ControllerContext, seen: JobObject, plan: JobPlan): Promise<void> {
  const job = context.client.get(RESOURCE, seen.metadata.namespace, seen.metadata.name) as JobObject | undefined;
  if (!job || job.metadata.uid !== seen.metadata.uid) return;
  const pods = ownedBy<PodObject>(context, "pods", job);
  const active = plan.condition ? [] : pods.filter(isActive);
  const now = timestamp(context.clock);
  const condition = plan.condition && {
    ...plan.condition,
    status: "True",
    lastProbeTime: now,
    lastTransitionTime: now,
  };
  const status = {
    ...job.status,
    startTime: job.status?.startTime ?? now,
    active: active.length || undefined,
    ready: active.filter(isReady).length,
    succeeded: plan.succeeded || undefined,
    failed: plan.failed || undefined,
    ...(condition ? { conditions: [...(job.status?.conditions ?? []), condition] } : {}),
    ...(condition?.type === "Complete" ? { completionTime: now } : {}),
  };
  if (condition) {
    const type = condition.type === "Complete" ? "Normal" : "Warning";
    const reason = condition.type === "Complete" ? "Completed" : condition.reason;
    context.events.note(job, "Job", {
      type,
      reason,
      message: condition.type === "Complete" ? "Job completed" : condition.message,
    });
  }
  if (sameJson(status, job.status)) return;
  const next = { ...cloneObject(job as KubeObject), status };
  delete next.metadata.resourceVersion;
  await context.client.updateStatus(RESOURCE, next);
}

function endOf(job: Job): { lastTransitionTime?: string } | undefined {
  return job.status?.conditions?.find((c) => (c.type === "Complete" || c.type === "Failed") && c.status === "True");
}

/** `ttlSecondsAfterFinished`. */
async function cleanUp(context: ControllerContext, queue: WorkQueue, key: string, job: JobObject): Promise<void> {
  const seconds = job.spec?.ttlSecondsAfterFinished;
  if (seconds === undefined) return;
  const leftMs = Date.parse(endOf(job)?.lastTransitionTime ?? "") + seconds * 1000 - context.clock.wallMs();
  if (leftMs > 0) return queue.addAfter(key, leftMs);
  try {
    await context.client.delete(RESOURCE, job.metadata.namespace, job.metadata.name, {
      propagationPolicy: "Background",
    });
  } catch (cause) {
    if (!(cause instanceof StatusError && cause.reason === "NotFound")) throw cause;
  }
}
