import type { KubeObject, ObjectMeta } from "../store/object.ts";
import { type ResourceType, storageKey } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import type { DeleteOptions } from "./write-context.ts";

/** The object as it stands while it waits for its finalizers and its grace period. A later, shorter grace counts. */
export function asTerminating(
  type: ResourceType,
  old: KubeObject,
  finalizers: string[],
  graceSeconds: number,
  nowMs: number,
): KubeObject {
  const metadata: ObjectMeta = { ...old.metadata };
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  const isFirst = !metadata.deletionTimestamp;
  const isShorter = graceSeconds < (metadata.deletionGracePeriodSeconds ?? 0);
  if (isFirst || isShorter) {
    const atMs = nowMs + graceSeconds * 1_000;
    metadata.deletionTimestamp = `${new Date(atMs).toISOString().slice(0, 19)}Z`;
    metadata.deletionGracePeriodSeconds = graceSeconds;
  }
  if (isFirst && metadata.generation !== undefined && type.kind !== "Pod") metadata.generation++;
  const object: KubeObject = { ...old, metadata };
  if (type.kind === "Namespace" && type.group === "")
    object["status"] = { ...(old["status"] as object), phase: "Terminating" };
  return object;
}

/** Throws Conflict when the object is not the one that the caller means. */
export function checkPreconditions(type: ResourceType, old: KubeObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  if (uid && uid !== old.metadata.uid) throw uidConflict(type, old, uid);
  if (resourceVersion && resourceVersion !== old.metadata.resourceVersion)
    throw StatusError.conflict(storageKey(type), old.metadata.name);
}

/** The answer to a uid that is not the object's. */
export function uidConflict(type: ResourceType, old: KubeObject, uid: string): StatusError {
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`;
  return new StatusError(
    "Conflict",
    `Operation cannot be fulfilled on ${storageKey(type)} "${old.metadata.name}": ${why}`,
    { name: old.metadata.name, group: type.group, kind: type.resource },
  );
}
