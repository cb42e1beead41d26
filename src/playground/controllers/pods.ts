/** Pods as controllers see them, and pods made from templates. */
import type { Pod, PodTemplateSpec } from "#kube/types";
import type { KubeObject, OwnerReference } from "../store/object.ts";
import { cloneObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import { type ControllerContext, controlledBy } from "./controller.ts";

export type PodObject = Pod & KubeObject;

export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && !pod.metadata.deletionTimestamp;
}

export function readySinceMs(pod: Pod): number | undefined {
  const ready = pod.status?.conditions?.find((condition) => condition.type === "Ready");
  return ready?.status === "True" ? Date.parse(ready.lastTransitionTime ?? "") : undefined;
}

export function isReady(pod: Pod): boolean {
  return readySinceMs(pod) !== undefined;
}

/** Milliseconds until a ready pod counts as available; 0 when it does, undefined when it is not ready. */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const since = readySinceMs(pod);
  return since === undefined ? undefined : Math.max(0, since + minReadySeconds * 1000 - nowMs);
}

/** A pod as its template says, owned by `owner`. */
export function podFromTemplate(
  template: PodTemplateSpec,
  owner: KubeObject,
  reference: OwnerReference,
  name: { name: string } | { generateName: string },
): KubeObject {
  const copy = cloneObject(template);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...({ name: "", ...name } as { name: string }),
      ...(owner.metadata.namespace ? { namespace: owner.metadata.namespace } : {}),
      ...(copy.metadata?.labels ? { labels: copy.metadata.labels } : {}),
      ...(copy.metadata?.annotations ? { annotations: copy.metadata.annotations } : {}),
      ownerReferences: [reference],
    },
    spec: copy.spec,
  };
}

/** Creates a pod and says so in an event on its owner; a refusal is an event too, and is thrown. */
export async function createPod(
  context: ControllerContext,
  owner: KubeObject,
  kind: string,
  pod: KubeObject,
): Promise<KubeObject> {
  try {
    const made = await context.client.create("pods", pod);
    const message = `Created pod: ${made.metadata.name}`;
    context.events.note(owner, kind, { type: "Normal", reason: "SuccessfulCreate", message });
    return made;
  } catch (cause) {
    const message = `Error creating: ${cause instanceof Error ? cause.message : String(cause)}`;
    context.events.note(owner, kind, { type: "Warning", reason: "FailedCreate", message });
    throw cause;
  }
}

/** Deletes a pod; one that is gone already is no failure. */
export async function deletePod(
  context: ControllerContext,
  owner: KubeObject,
  kind: string,
  pod: KubeObject,
): Promise<void> {
  try {
    await context.client.delete("pods", pod.metadata.namespace, pod.metadata.name);
    const message = `Deleted pod: ${pod.metadata.name}`;
    context.events.note(owner, kind, { type: "Normal", reason: "SuccessfulDelete", message });
  } catch (cause) {
    if (!(cause instanceof StatusError && cause.reason === "NotFound")) throw cause;
  }
}

/** Takes over pods that match the selector and that nobody manages. */
export async function adopt(
  context: ControllerContext,
  resource: string,
  owner: KubeObject,
  apiVersion: string,
  kind: string,
  orphans: readonly KubeObject[],
): Promise<void> {
  for (const orphan of orphans) {
    const ownerReferences = [...(orphan.metadata.ownerReferences ?? []), controlledBy(owner, apiVersion, kind)];
    await context.client.patch(
      resource,
      orphan.metadata.namespace,
      orphan.metadata.name,
      { metadata: { ownerReferences } },
      { type: "merge" },
    );
  }
}

/** Those to delete first when there are too many: unscheduled, then not ready, then the youngest. */
export function byExpendability(a: Pod, b: Pod): number {
  const rank = (pod: Pod): number => (pod.spec?.nodeName ? 2 : 0) + (isReady(pod) ? 1 : 0);
  const byRank = rank(a) - rank(b);
  if (byRank !== 0) return byRank;
  return (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? "");
}
