import { cloneObject, type KubeObject, type ObjectMeta, sameJson } from "../store/object.ts";
import type { ResourceType } from "../store/resources.ts";
import type { DeleteOptions } from "./write-context.ts";

/** True when a terminating object has nothing left to wait for. */
export function isDone(type: ResourceType, object: KubeObject): boolean {
  if (!object.metadata.deletionTimestamp || (object.metadata.finalizers ?? []).length > 0) return false;
  if (type.kind === "Namespace" && type.group === "") {
    const spec = object["spec"] as { finalizers?: string[] } | undefined;
    return (spec?.finalizers ?? []).length === 0;
  }
  return !(object.metadata.deletionGracePeriodSeconds && type.kind === "Pod");
}

/** Seconds a pod may take to end; 0 for what never ran and for all other kinds. */
export function gracePeriod(type: ResourceType, old: KubeObject, options: DeleteOptions): number {
  if (type.kind !== "Pod" || type.group !== "") return 0;
  const spec = (old["spec"] ?? {}) as { nodeName?: string; terminationGracePeriodSeconds?: number };
  const phase = (old["status"] as { phase?: string } | undefined)?.phase;
  if (!spec.nodeName || phase === "Succeeded" || phase === "Failed") return 0;
  return options.gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30;
}

/** The finalizers a deletion leaves in place, with those its propagation policy adds. */
export function finalizersFor(old: KubeObject, policy: string | undefined): string[] {
  const rest = (old.metadata.finalizers ?? []).filter((name) => name !== "orphan" && name !== "foregroundDeletion");
  if (policy === "Foreground") return [...rest, "foregroundDeletion"];
  if (policy === "Orphan") return [...rest, "orphan"];
  return policy === undefined ? (old.metadata.finalizers ?? []) : rest;
}

/** Metadata that clients cannot change stays; new finalizers are refused while terminating by leaving them out. */
export function keptMeta(old: ObjectMeta, wanted: ObjectMeta): ObjectMeta {
  const result: ObjectMeta = { ...wanted };
  const fixed = [
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
  ] as const;
  for (const field of fixed) {
    if (old[field] === undefined) delete result[field];
    else Object.assign(result, { [field]: old[field] });
  }
  result.resourceVersion = old.resourceVersion!;
  if (wanted.managedFields === undefined && old.managedFields) result.managedFields = old.managedFields;
  if (old.deletionTimestamp && result.finalizers) {
    result.finalizers = result.finalizers.filter((name) => old.finalizers?.includes(name));
  }
  if (result.finalizers?.length === 0) delete result.finalizers;
  return result;
}

/** What a status write may change of a built-in object's metadata. */
export function labelsOf(object: KubeObject): Partial<ObjectMeta> {
  const { labels, annotations } = object.metadata;
  return { ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) };
}

/** Equal but for times of managers and the revision. */
export function isSameObject(old: KubeObject, object: KubeObject): boolean {
  return sameJson(comparable(old), comparable(object));
}

function comparable(object: KubeObject): unknown {
  const { managedFields, resourceVersion: _rv, ...meta } = object.metadata;
  const entries = (managedFields ?? []).map(({ time: _time, ...entry }) => entry);
  return { ...object, metadata: { ...meta, managedFields: entries } };
}

/** Removes nulls from metadata, in place. */
export function dropMetaNulls(meta: ObjectMeta): void {
  for (const field of Object.keys(meta) as (keyof ObjectMeta)[]) if (meta[field] === null) delete meta[field];
}

/** Of an update, the part its subresource may change; the rest is the old object's. */
export function changedPart(type: ResourceType, old: KubeObject, object: KubeObject, subresource: string): KubeObject {
  switch (subresource) {
    case "status": {
      const metadata = type.isCustom ? { ...old.metadata } : { ...old.metadata, ...labelsOf(object) };
      if (object.metadata.managedFields) metadata.managedFields = object.metadata.managedFields;
      const result: KubeObject = { ...old, apiVersion: object.apiVersion!, metadata };
      if (object["status"] === undefined) delete result["status"];
      else result["status"] = object["status"];
      return cloneObject(result);
    }
    case "finalize":
      return { ...cloneObject(old), spec: object["spec"] };
    case "ephemeralcontainers": {
      const result = cloneObject(old);
      const spec = result["spec"] as Record<string, unknown>;
      spec["ephemeralContainers"] = (object["spec"] as Record<string, unknown>)["ephemeralContainers"];
      return result;
    }
    default:
      return object;
  }
}
