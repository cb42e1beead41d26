import type { Node, Pod } from "#kube/types";
import { cloneObject, type KubeObject } from "../store/object.ts";
import { type Controller, type ControllerContext, keyOf, splitKey, timestamp } from "./controller.ts";
import { WorkQueue } from "./work-queue.ts";

type PodObject = Pod & KubeObject;
type NodeObject = Node & KubeObject;

/** Binds every pod without a node to the first one that takes it. */
export const scheduler: Controller = (context) => {
  const queue = new WorkQueue("scheduler", context, (key) => schedule(context, key));
  const waits = (object: KubeObject): boolean =>
    !(object as PodObject).spec?.nodeName && !object.metadata.deletionTimestamp;
  const stops = [
    context.client.watch("pods", {}, ({ type, object }) => {
      if (type !== "DELETED" && waits(object)) queue.add(keyOf(object));
    }),
    context.client.watch("nodes", {}, () => {
      for (const pod of context.client.list("pods")) if (waits(pod)) queue.add(keyOf(pod));
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    queue.stop();
  };
};

async function schedule(context: ControllerContext, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const pod = context.client.get("pods", namespace, name) as PodObject | undefined;
  if (!pod || pod.spec?.nodeName || pod.metadata.deletionTimestamp) return;
  if ((pod.spec as { schedulingGates?: unknown[] }).schedulingGates?.length) return;
  const nodes = context.client.list("nodes") as NodeObject[];
  const reasons = nodes.map((node) => refusal(node, pod));
  const node = nodes[reasons.indexOf(undefined)];
  if (!node) return await refuse(context, pod, reasons);
  await context.client.patch("pods", namespace, name, { spec: { nodeName: node.metadata.name } }, { type: "merge" });
  const message = `Successfully assigned ${namespace}/${name} to ${node.metadata.name}`;
  context.events.note(pod, "Pod", { type: "Normal", reason: "Scheduled", message });
}

/** Why a node does not take a pod; undefined when it does. Pure. */
export function refusal(node: Node, pod: Pod): string | undefined {
  const tolerations = pod.spec?.tolerations ?? [];
  const tolerates = (key: string, effect: string): boolean =>
    tolerations.some((t) => (!t.key || t.key === key) && (!t.effect || t.effect === effect));
  if (node.spec?.unschedulable && !tolerates("node.kubernetes.io/unschedulable", "NoSchedule"))
    return "node(s) were unschedulable";
  const taint = (node.spec?.taints ?? []).find((t) => t.effect !== "PreferNoSchedule" && !tolerates(t.key, t.effect));
  if (taint) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  const labels = node.metadata.labels ?? {};
  const isSelected = Object.entries(pod.spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  return isSelected ? undefined : "node(s) didn't match Pod's node affinity/selector";
}

async function refuse(
  context: ControllerContext,
  pod: PodObject,
  reasons: readonly (string | undefined)[],
): Promise<void> {
  const message = `0/${reasons.length} nodes are available: ${reasons.map((reason) => `1 ${reason}`).join(", ")}.`;
  context.events.note(pod, "Pod", { type: "Warning", reason: "FailedScheduling", message });
  const old = pod.status?.conditions ?? [];
  if (old.some((condition) => condition.type === "PodScheduled" && condition.message === message)) return;
  const condition = {
    type: "PodScheduled",
    status: "False",
    reason: "Unschedulable",
    message,
    lastTransitionTime: timestamp(context.clock),
  };
  const conditions = [...old.filter((other) => other.type !== "PodScheduled"), condition];
  const next = { ...cloneObject(pod as KubeObject), status: { ...pod.status, phase: "Pending", conditions } };
  delete next.metadata.resourceVersion;
  await context.client.updateStatus("pods", next);
}
