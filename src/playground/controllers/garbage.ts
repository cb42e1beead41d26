import type { KubeObject, OwnerReference } from "../store/object.ts";
import { storageKey } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import type { Controller, ControllerContext } from "./controller.ts";
import { WorkQueue } from "./work-queue.ts";

const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";
const CRDS = "customresourcedefinitions.apiextensions.k8s.io";
const SETTLE_MS = 50; // an owner may be created a moment after its dependent names it

/**
 * Deletes what nobody owns any more. Background: dependents go when their owner is gone. Foreground: the owner waits for
 * those that block it. Orphan: dependents forget their owner first.
 */
export const garbage: Controller = (context) => {
  const queue = new WorkQueue("garbage", context, (key) => collect(context, queue, key));
  const stops = new Map<string, () => void>();
  const watchAll = (): void => {
    for (const type of context.registry.all()) {
      const resource = storageKey(type);
      if (stops.has(resource) || !type.verbs.includes("list") || resource === "events") continue;
      stops.set(resource, () => {}); // taken before the first change comes, synchronously, below
      stops.set(
        resource,
        context.client.watch(resource, {}, ({ type: change, object }) => noticed(resource, change, object)),
      );
    }
  };
  const noticed = (resource: string, change: string, object: KubeObject): void => {
    if (resource === CRDS) queueMicrotask(watchAll);
    if (change === "DELETED")
      for (const [place, found] of dependents(context, object.metadata.uid ?? "")) queue.add(placeOf(place, found));
    if (change === "DELETED") for (const owner of object.metadata.ownerReferences ?? []) addOwner(object, owner);
    else if (object.metadata.ownerReferences?.length) queue.addAfter(placeOf(resource, object), SETTLE_MS);
    if (change !== "DELETED" && finalizer(object)) queue.add(placeOf(resource, object));
  };
  const addOwner = (object: KubeObject, owner: OwnerReference): void => {
    const type = context.registry.byKind(owner.apiVersion, owner.kind);
    if (type)
      queue.add(`${storageKey(type)} ${type.isNamespaced ? (object.metadata.namespace ?? "") : ""} ${owner.name}`);
  };
  watchAll();
  return () => {
    for (const stop of stops.values()) stop();
    queue.stop();
  };
};

function placeOf(resource: string, object: KubeObject): string {
  return `${resource} ${object.metadata.namespace ?? ""} ${object.metadata.name}`;
}

function finalizer(object: KubeObject): string | undefined {
  if (!object.metadata.deletionTimestamp) return undefined;
  return object.metadata.finalizers?.find((name) => name === FOREGROUND || name === ORPHAN);
}

async function collect(context: ControllerContext, queue: WorkQueue, key: string): Promise<void> {
  const [resource = "", namespace, name = ""] = key.split(" ");
  const object = context.client.get(resource, namespace || undefined, name);
  if (!object) return;
  const waiting = finalizer(object);
  if (waiting === ORPHAN) return await orphan(context, resource, object);
  if (waiting === FOREGROUND) return await deleteForeground(context, queue, resource, object);
  if (object.metadata.deletionTimestamp || !isAbandoned(context, object)) return;
  await remove(context, resource, object, "Background");
}

/** True when it had owners and every one of them is gone (or replaced by another of the same name). */
function isAbandoned(context: ControllerContext, object: KubeObject): boolean {
  const owners = object.metadata.ownerReferences ?? [];
  return owners.length > 0 && owners.every((owner) => isGone(context, object, owner));
}

function isGone(context: ControllerContext, object: KubeObject, owner: OwnerReference): boolean {
  const type = context.registry.byKind(owner.apiVersion, owner.kind);
  if (!type) return false; // a kind nobody knows (yet): be careful, as Kubernetes is
  const found = context.client.get(
    storageKey(type),
    type.isNamespaced ? object.metadata.namespace : undefined,
    owner.name,
  );
  return found?.metadata.uid !== owner.uid;
}

async function orphan(context: ControllerContext, resource: string, owner: KubeObject): Promise<void> {
  for (const [place, dependent] of dependents(context, owner.metadata.uid ?? "")) {
    const rest = (dependent.metadata.ownerReferences ?? []).filter((reference) => reference.uid !== owner.metadata.uid);
    const change = { metadata: { ownerReferences: rest.length > 0 ? rest : null } };
    await context.client.patch(place, dependent.metadata.namespace, dependent.metadata.name, change, { type: "merge" });
  }
  await dropFinalizer(context, resource, owner, ORPHAN);
}

async function deleteForeground(
  context: ControllerContext,
  queue: WorkQueue,
  resource: string,
  owner: KubeObject,
): Promise<void> {
  const found = dependents(context, owner.metadata.uid ?? "");
  for (const [place, dependent] of found)
    if (!dependent.metadata.deletionTimestamp) await remove(context, place, dependent, "Foreground");
  const isBlocked = dependents(context, owner.metadata.uid ?? "").some(([, dependent]) =>
    dependent.metadata.ownerReferences?.some(
      (reference) => reference.uid === owner.metadata.uid && reference.blockOwnerDeletion,
    ),
  );
  if (isBlocked) queue.addAfter(placeOf(resource, owner), 10 * SETTLE_MS);
  else await dropFinalizer(context, resource, owner, FOREGROUND);
}

async function dropFinalizer(
  context: ControllerContext,
  resource: string,
  object: KubeObject,
  name: string,
): Promise<void> {
  const rest = (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== name);
  const change = { metadata: { finalizers: rest.length > 0 ? rest : null } };
  await context.client.patch(resource, object.metadata.namespace, object.metadata.name, change, { type: "merge" });
}

async function remove(
  context: ControllerContext,
  resource: string,
  object: KubeObject,
  policy: "Background" | "Foreground",
): Promise<void> {
  const { namespace, name, uid } = object.metadata;
  try {
    await context.client.delete(resource, namespace, name, { propagationPolicy: policy, ...(uid ? { uid } : {}) });
  } catch (cause) {
    if (!(cause instanceof StatusError && cause.reason === "NotFound")) throw cause;
  }
}

/** Everything that names this object as an owner, with the table it is in. A scan: a playground holds few objects. */
function dependents(context: ControllerContext, uid: string): [string, KubeObject][] {
  const keys = new Set(
    context.registry
      .all()
      .filter((type) => type.verbs.includes("list"))
      .map(storageKey),
  );
  const names = (object: KubeObject): boolean =>
    object.metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
  return [...keys].flatMap((key) =>
    context.client
      .list(key)
      .filter(names)
      .map((object): [string, KubeObject] => [key, object]),
  );
}
