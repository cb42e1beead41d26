import type { StatefulSet } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import { type Controller, type ControllerContext, controlledBy, ownedBy, splitKey } from "./controller.ts";
import { follow } from "./follow.ts";
import { createPod, deletePod, isReady, type PodObject, podFromTemplate } from "./pods.ts";
import { templateHash } from "./template-hash.ts";
import { WorkQueue } from "./work-queue.ts";

const RESOURCE = "statefulsets.apps";
const REVISION_LABEL = "controller-revision-hash";
const INDEX_LABEL = "apps.kubernetes.io/pod-index";
const NAME_LABEL = "statefulset.kubernetes.io/pod-name";

type SetObject = StatefulSet & KubeObject;

/** Keeps numbered pods, made in order and ended in reverse. Volume claims are not supported: a playground keeps nothing. */
export const statefulSets: Controller = (context) => {
  const queue = new WorkQueue("statefulset", context, (key) => reconcile(context, key));
  return follow(context, queue, { kind: "StatefulSet", resource: RESOURCE, owned: "pods" });
};

async function reconcile(context: ControllerContext, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const set = context.client.get(RESOURCE, namespace, name) as SetObject | undefined;
  if (!set) return;
  const revision = `${name}-${templateHash(set.spec?.template)}`;
  if (!set.metadata.deletionTimestamp) {
    if (set.spec?.volumeClaimTemplates?.length) {
      const message = "The playground has no persistent volumes: use emptyDir volumes, or a real cluster";
      context.events.note(set, "StatefulSet", { type: "Warning", reason: "FailedCreate", message });
    } else await step(context, set, revision);
  }
  await writeStatus(context, set, revision);
}

/** One step: the lowest missing pod is made, else the highest surplus one goes, else the highest outdated one. */
async function step(context: ControllerContext, set: SetObject, revision: string): Promise<void> {
  const wanted = set.spec?.replicas ?? 1;
  const isParallel = set.spec?.podManagementPolicy === "Parallel";
  const pods = new Map(ownedBy<PodObject>(context, "pods", set).map((pod) => [ordinalOf(pod), pod]));
  for (let ordinal = 0; ordinal < wanted; ordinal++) {
    const pod = pods.get(ordinal);
    if (!pod) await createPod(context, set, "StatefulSet", podOf(set, ordinal, revision));
    if (pod && (pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded") && !pod.metadata.deletionTimestamp)
      await deletePod(context, set, "StatefulSet", pod);
    if (!isParallel && !(pod && isReady(pod) && !pod.metadata.deletionTimestamp)) return;
  }
  const surplus = [...pods].filter(([ordinal]) => ordinal >= wanted).sort(([a], [b]) => b - a);
  for (const [, pod] of surplus) {
    if (!pod.metadata.deletionTimestamp) await deletePod(context, set, "StatefulSet", pod);
    if (!isParallel) return;
  }
  await update(context, set, pods, revision);
}

async function update(
  context: ControllerContext,
  set: SetObject,
  pods: ReadonlyMap<number, PodObject>,
  revision: string,
): Promise<void> {
  if (set.spec?.updateStrategy?.type === "OnDelete") return;
  const partition = set.spec?.updateStrategy?.rollingUpdate?.partition ?? 0;
  const sorted = [...pods].filter(([ordinal]) => ordinal >= partition).sort(([a], [b]) => b - a);
  for (const [, pod] of sorted) {
    const isCurrent = pod.metadata.labels?.[REVISION_LABEL] === revision;
    if (!isCurrent && !pod.metadata.deletionTimestamp) return await deletePod(context, set, "StatefulSet", pod);
    if (!isReady(pod) || pod.metadata.deletionTimestamp) return; // the next only when this one serves
  }
}

function podOf(set: SetObject, ordinal: number, revision: string): KubeObject {
  const name = `${set.metadata.name}-${ordinal}`;
  const pod = podFromTemplate(set.spec!.template, set, controlledBy(set, "apps/v1", "StatefulSet"), { name });
  pod.metadata.labels = {
    ...pod.metadata.labels,
    [REVISION_LABEL]: revision,
    [INDEX_LABEL]: String(ordinal),
    [NAME_LABEL]: name,
  };
  pod["spec"] = {
    ...(pod["spec"] as object),
    hostname: name,
    ...(set.spec?.serviceName ? { subdomain: set.spec.serviceName } : {}),
  };
  return pod;
}

function ordinalOf(pod: KubeObject): number {
  return Number(pod.metadata.name.slice(pod.metadata.name.lastIndexOf("-") + 1));
}

async function writeStatus(context: ControllerContext, seen: SetObject, revision: string): Promise<void> {
  const set = context.client.get(RESOURCE, seen.metadata.namespace, seen.metadata.name) as SetObject | undefined;
  if (!set || set.metadata.uid !== seen.metadata.uid) return;
  const pods = ownedBy<PodObject>(context, "pods", set);
  const updated = pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === revision).length;
  const ready = pods.filter(isReady).length;
  const isDone = updated === pods.length && updated === (set.spec?.replicas ?? 1);
  const current = isDone ? revision : (set.status?.currentRevision ?? revision);
  const status = {
    ...set.status,
    observedGeneration: set.metadata.generation,
    replicas: pods.length,
    readyReplicas: ready,
    availableReplicas: ready,
    updatedReplicas: updated,
    currentReplicas: pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === current).length,
    currentRevision: current,
    updateRevision: revision,
    collisionCount: 0,
  };
  if (sameJson(status, set.status)) return;
  const next = { ...cloneObject(set as KubeObject), status };
  delete next.metadata.resourceVersion;
  await context.client.updateStatus(RESOURCE, next);
}
