import type { KubeObject } from "../store/object.ts";
import { storageKey } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import { type Controller, type ControllerContext, keyOf, splitKey } from "./controller.ts";
import { WorkQueue } from "./work-queue.ts";

const NAMESPACES = "namespaces";
const BEFORE_PURGE_MS = 300; // so that `kubectl delete -f` of a namespace with its content still finds the content
const ASK_AGAIN_MS = 200;
const FIRST = new Set(["pods"]); // pods take longest: told to end before everything else

/** Empties a namespace that is being deleted, then lets it go. */
export const namespaces: Controller = (context) => {
  const queue = new WorkQueue("namespace", context, (key) => purge(context, queue, key));
  const stop = context.client.watch(NAMESPACES, {}, ({ type, object }) => {
    if (type !== "DELETED" && object.metadata.deletionTimestamp) queue.addAfter(keyOf(object), BEFORE_PURGE_MS);
  });
  return () => {
    stop();
    queue.stop();
  };
};

async function purge(context: ControllerContext, queue: WorkQueue, key: string): Promise<void> {
  const { name } = splitKey(key);
  const namespace = context.client.get(NAMESPACES, undefined, name);
  if (!namespace?.metadata.deletionTimestamp) return;
  for (const resource of resourcesOf(context))
    for (const object of context.client.list(resource, { namespace: name })) await remove(context, resource, object);
  const isEmpty = resourcesOf(context).every(
    (resource) => context.client.list(resource, { namespace: name }).length === 0,
  );
  if (!isEmpty) {
    queue.addAfter(key, ASK_AGAIN_MS);
    return;
  }
  await context.client.patch(
    NAMESPACES,
    undefined,
    name,
    { spec: { finalizers: [] } },
    { type: "merge", subresource: "finalize" },
  );
}

/** Everything that lives in namespaces and is kept. */
function resourcesOf(context: ControllerContext): string[] {
  const types = context.registry.all().filter((type) => type.isNamespaced && type.verbs.includes("list"));
  const keys = [...new Set(types.map(storageKey))];
  return [...keys.filter((key) => FIRST.has(key)), ...keys.filter((key) => !FIRST.has(key))];
}

async function remove(context: ControllerContext, resource: string, object: KubeObject): Promise<void> {
  if (object.metadata.deletionTimestamp) return;
  try {
    await context.client.delete(resource, object.metadata.namespace, object.metadata.name, {
      propagationPolicy: "Background",
    });
  } catch (cause) {
    if (!(cause instanceof StatusError && cause.reason === "NotFound")) throw cause;
  }
}
