import { type ReplicaSet, selectorMatches } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import {
  type Controller,
  type ControllerContext,
  controlledBy,
  controllerOf,
  ownedBy,
  splitKey,
} from "./controller.ts";
import { follow } from "./follow.ts";
import {
  adopt,
  availableInMs,
  byExpendability,
  createPod,
  deletePod,
  isActive,
  isReady,
  type PodObject,
  podFromTemplate,
} from "./pods.ts";
import { WorkQueue } from "./work-queue.ts";

const RESOURCE = "replicasets.apps";
const MAX_BURST = 50; // pods made in one go; the rest follows in the next round

type ReplicaSetObject = ReplicaSet & KubeObject;

/** Keeps as many pods as each ReplicaSet says. */
export const replicaSets: Controller = (context) => {
  const queue = new WorkQueue("replicaset", context, (key) => reconcile(context, queue, key));
  return follow(context, queue, { kind: "ReplicaSet", resource: RESOURCE, owned: "pods" });
};

async function reconcile(context: ControllerContext, queue: WorkQueue, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const set = context.client.get(RESOURCE, namespace, name) as ReplicaSetObject | undefined;
  if (!set) return;
  if (!set.metadata.deletionTimestamp) {
    await adopt(context, "pods", set, "apps/v1", "ReplicaSet", orphansOf(context, set));
    await scale(context, set);
  }
  await writeStatus(context, queue, key, set);
}

function orphansOf(context: ControllerContext, set: ReplicaSetObject): KubeObject[] {
  const pods = context.client.list("pods", { namespace: set.metadata.namespace! }) as PodObject[];
  return pods.filter(
    (pod) => !controllerOf(pod) && isActive(pod) && selectorMatches(set.spec?.selector, pod.metadata.labels),
  );
}

async function scale(context: ControllerContext, set: ReplicaSetObject): Promise<void> {
  const active = ownedBy<PodObject>(context, "pods", set).filter(isActive);
  const missing = (set.spec?.replicas ?? 1) - active.length;
  const reference = controlledBy(set, "apps/v1", "ReplicaSet");
  const created = Array.from({ length: Math.min(Math.max(missing, 0), MAX_BURST) }, () =>
    createPod(
      context,
      set,
      "ReplicaSet",
      podFromTemplate(set.spec!.template!, set, reference, { generateName: `${set.metadata.name}-` }),
    ),
  );
  const extra = active.sort(byExpendability).slice(0, Math.max(-missing, 0));
  const done = await Promise.allSettled([
    ...created,
    ...extra.map((pod) => deletePod(context, set, "ReplicaSet", pod)),
  ]);
  const failure = done.find((result) => result.status === "rejected");
  if (failure) throw failure.reason;
}

async function writeStatus(
  context: ControllerContext,
  queue: WorkQueue,
  key: string,
  seen: ReplicaSetObject,
): Promise<void> {
  const set = context.client.get(RESOURCE, seen.metadata.namespace, seen.metadata.name) as ReplicaSetObject | undefined;
  if (!set || set.metadata.uid !== seen.metadata.uid) return;
  const active = ownedBy<PodObject>(context, "pods", set).filter(isActive);
  const minReady = set.spec?.minReadySeconds ?? 0;
  const waits = active.map((pod) => availableInMs(pod, minReady, context.clock.wallMs()));
  const soonest = Math.min(...waits.filter((ms): ms is number => ms !== undefined && ms > 0));
  if (Number.isFinite(soonest)) queue.addAfter(key, soonest);
  const labels = set.spec?.template?.metadata?.labels ?? {};
  const isFull = (pod: PodObject): boolean => Object.entries(labels).every(([k, v]) => pod.metadata.labels?.[k] === v);
  const status = {
    ...set.status,
    replicas: active.length,
    fullyLabeledReplicas: active.filter(isFull).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: waits.filter((ms) => ms === 0).length,
    observedGeneration: set.metadata.generation,
  };
  if (sameJson(status, set.status)) {
    if (active.length < (set.spec?.replicas ?? 1) && !set.metadata.deletionTimestamp) queue.add(key); // the rest of a burst
    return;
  }
  const next = { ...cloneObject(set as KubeObject), status };
  delete next.metadata.resourceVersion;
  await context.client.updateStatus(RESOURCE, next);
}
