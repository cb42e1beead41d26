/** A Deployment's status, from its ReplicaSets. Pure. */
import type { Deployment, ReplicaSet } from "#kube/types";
import { bounds } from "./rollout.ts";

type Status = NonNullable<Deployment["status"]>;
type Condition = NonNullable<Status["conditions"]>[number];

export function deploymentStatus(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  newest: ReplicaSet | undefined,
  now: string,
): Status {
  const wanted = deployment.spec?.replicas ?? 1;
  const total = (count: (status: NonNullable<ReplicaSet["status"]>) => number | undefined): number =>
    sets.reduce((sum, set) => sum + ((set.status && count(set.status)) ?? 0), 0);
  const replicas = total((status) => status.replicas);
  const available = total((status) => status.availableReplicas);
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas,
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: total((status) => status.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, Math.max(replicas, wanted) - available),
  };
  return {
    ...deployment.status,
    ...dropZeros(counts),
    conditions: conditionsOf(deployment, counts, newest, now),
  } as Status;
}

type Counts = Record<
  "observedGeneration" | "replicas" | "updatedReplicas" | "readyReplicas" | "availableReplicas" | "unavailableReplicas",
  number
>;

/** Zeros are left out on the wire, as Kubernetes does; undefined also overrides an older number. */
function dropZeros(counts: Counts): Record<string, number | undefined> {
  return Object.fromEntries(Object.entries(counts).map(([key, value]) => [key, value === 0 ? undefined : value]));
}

function conditionsOf(
  deployment: Deployment,
  counts: Counts,
  newest: ReplicaSet | undefined,
  now: string,
): Condition[] {
  const previous = deployment.status?.conditions ?? [];
  const wanted = deployment.spec?.replicas ?? 1;
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const isRecreate = deployment.spec?.strategy?.type === "Recreate";
  const { unavailable } = bounds({
    replicas: wanted,
    maxSurge: rolling?.maxSurge ?? "25%",
    maxUnavailable: rolling?.maxUnavailable ?? "25%",
  });
  const isAvailable = counts.availableReplicas >= wanted - (isRecreate ? 0 : unavailable);
  const availability = isAvailable
    ? { status: "True", reason: "MinimumReplicasAvailable", message: "Deployment has minimum availability." }
    : {
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
  const progress = progressOf(deployment, counts, newest, now);
  return [
    made("Available", availability, previous, now),
    made("Progressing", progress, previous, now, hasMoved(deployment, counts)),
    ...previous.filter((old) => old.type !== "Available" && old.type !== "Progressing"),
  ];
}

function progressOf(
  deployment: Deployment,
  counts: Counts,
  newest: ReplicaSet | undefined,
  now: string,
): Pick<Condition, "status" | "reason" | "message"> {
  const name = newest ? `ReplicaSet "${newest.metadata.name}"` : "The rollout";
  if (deployment.spec?.paused)
    return { status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" };
  if (isComplete(deployment, counts))
    return { status: "True", reason: "NewReplicaSetAvailable", message: `${name} has successfully progressed.` };
  const old = deployment.status?.conditions?.find((condition) => condition.type === "Progressing");
  const sinceMs = Date.parse(old?.lastUpdateTime ?? now);
  const isLate =
    !hasMoved(deployment, counts) &&
    old?.reason !== "NewReplicaSetAvailable" &&
    Date.parse(now) - sinceMs >= deadlineMs(deployment);
  return isLate
    ? { status: "False", reason: "ProgressDeadlineExceeded", message: `${name} has timed out progressing.` }
    : { status: "True", reason: "ReplicaSetUpdated", message: `${name} is progressing.` };
}

/** True when the counts differ from those of the last status: the rollout moves. */
function hasMoved(deployment: Deployment, counts: Counts): boolean {
  const old = deployment.status ?? {};
  const fields = ["updatedReplicas", "readyReplicas", "availableReplicas", "replicas", "observedGeneration"] as const;
  return fields.some((field) => (old[field] ?? 0) !== counts[field]);
}

function isComplete(deployment: Deployment, counts: Counts): boolean {
  const wanted = deployment.spec?.replicas ?? 1;
  return counts.updatedReplicas === wanted && counts.replicas === wanted && counts.availableReplicas === wanted;
}

function made(
  type: string,
  state: { status: string; reason?: string; message?: string },
  previous: readonly Condition[],
  now: string,
  hasChanged = false,
): Condition {
  const old = previous.find((condition) => condition.type === type);
  const isSame = old?.status === state.status && old.reason === state.reason && !hasChanged;
  return {
    type,
    ...state,
    lastUpdateTime: isSame ? old.lastUpdateTime : now,
    lastTransitionTime: old?.status === state.status ? old.lastTransitionTime : now,
  } as Condition;
}

function deadlineMs(deployment: Deployment): number {
  return (deployment.spec?.progressDeadlineSeconds ?? 600) * 1000;
}

/** Milliseconds until a rollout that does not move counts as failed; undefined when none is under way. */
export function progressLeftMs(deployment: Deployment, status: Status, nowMs: number): number | undefined {
  const progress = status.conditions?.find((condition) => condition.type === "Progressing");
  if (progress?.reason !== "ReplicaSetUpdated") return undefined;
  return Math.max(1_000, Date.parse(progress.lastUpdateTime ?? "") + deadlineMs(deployment) - nowMs);
}
