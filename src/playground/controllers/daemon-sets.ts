import type { DaemonSet, Node } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import { type Controller, type ControllerContext, controlledBy, keyOf, ownedBy, splitKey } from "./controller.ts";
import { follow } from "./follow.ts";
import { createPod, deletePod, isActive, isReady, type PodObject, podFromTemplate } from "./pods.ts";
import { refusal } from "./scheduler.ts";
import { templateHash } from "./template-hash.ts";
import { WorkQueue } from "./work-queue.ts";

const RESOURCE = "daemonsets.apps";
const REVISION_LABEL = "controller-revision-hash";
const TOLERATED = [
  "node.kubernetes.io/unschedulable",
  "node.kubernetes.io/not-ready",
  "node.kubernetes.io/unreachable",
];

type SetObject = DaemonSet & KubeObject;

/** Keeps one pod of each DaemonSet on every node that takes it. */
export const daemonSets: Controller = (context) => {
  const queue = new WorkQueue("daemonset", context, (key) => reconcile(context, key));
  const stop = follow(context, queue, { kind: "DaemonSet", resource: RESOURCE, owned: "pods" });
  const stopNodes = context.client.watch("nodes", {}, () => {
    for (const set of context.client.list(RESOURCE)) queue.add(keyOf(set));
  });
  return () => {
    stopNodes();
    stop();
  };
};

async function reconcile(context: ControllerContext, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const set = context.client.get(RESOURCE, namespace, name) as SetObject | undefined;
  if (!set) return;
  const revision = templateHash(set.spec?.template);
  const nodes = context.client.list("nodes") as (Node & KubeObject)[];
  const fitting = nodes.filter(
    (node) => refusal(node, podOf(set, node.metadata.name, revision) as PodObject) === undefined,
  );
  if (!set.metadata.deletionTimestamp) await sync(context, set, fitting, revision);
  await writeStatus(context, set, fitting.length, revision);
}

async function sync(
  context: ControllerContext,
  set: SetObject,
  nodes: readonly KubeObject[],
  revision: string,
): Promise<void> {
  const pods = ownedBy<PodObject>(context, "pods", set);
  for (const pod of pods) {
    const isWanted = nodes.some((node) => node.metadata.name === pod.spec?.nodeName);
    const isOutdated =
      pod.metadata.labels?.[REVISION_LABEL] !== revision && set.spec?.updateStrategy?.type !== "OnDelete";
    const isOver = !isActive(pod) && !pod.metadata.deletionTimestamp;
    if ((!isWanted || isOutdated || isOver) && !pod.metadata.deletionTimestamp)
      await deletePod(context, set, "DaemonSet", pod);
  }
  for (const node of nodes) {
    const hasPod = ownedBy<PodObject>(context, "pods", set).some((pod) => pod.spec?.nodeName === node.metadata.name);
    if (!hasPod) await createPod(context, set, "DaemonSet", podOf(set, node.metadata.name, revision));
  }
}

function podOf(set: SetObject, nodeName: string, revision: string): KubeObject {
  const reference = controlledBy(set, "apps/v1", "DaemonSet");
  const pod = podFromTemplate(set.spec!.template, set, reference, { generateName: `${set.metadata.name}-` });
  pod.metadata.labels = { ...pod.metadata.labels, [REVISION_LABEL]: revision };
  const spec = pod["spec"] as { tolerations?: object[] };
  const tolerations = TOLERATED.map((key) => ({ key, operator: "Exists", effect: "NoSchedule" }));
  pod["spec"] = { ...spec, nodeName, tolerations: [...(spec.tolerations ?? []), ...tolerations] };
  return pod;
}

async function writeStatus(
  context: ControllerContext,
  seen: SetObject,
  wanted: number,
  revision: string,
): Promise<void> {
  const set = context.client.get(RESOURCE, seen.metadata.namespace, seen.metadata.name) as SetObject | undefined;
  if (!set || set.metadata.uid !== seen.metadata.uid) return;
  const pods = ownedBy<PodObject>(context, "pods", set).filter(isActive);
  const ready = pods.filter(isReady).length;
  const status = {
    ...set.status,
    observedGeneration: set.metadata.generation,
    desiredNumberScheduled: wanted,
    currentNumberScheduled: pods.length,
    numberMisscheduled: 0,
    numberReady: ready,
    numberAvailable: ready,
    numberUnavailable: wanted - ready || undefined,
    updatedNumberScheduled: pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === revision).length,
  };
  if (sameJson(status, set.status)) return;
  const next = { ...cloneObject(set as KubeObject), status };
  delete next.metadata.resourceVersion;
  await context.client.updateStatus(RESOURCE, next);
}
