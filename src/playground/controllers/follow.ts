import type { KubeObject } from "../store/object.ts";
import { type ControllerContext, controllerOf, keyOf } from "./controller.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface Followed {
  /** The controller's own kind and its resource, such as `Job` and `jobs.batch`. */
  readonly kind: string;
  readonly resource: string;
  /** The resource that its objects manage. */
  readonly owned: string;
}

/** Queues an object when it changes, or when something that it manages does. Returns the way to stop, the queue included. */
export function follow(context: ControllerContext, queue: WorkQueue, { kind, resource, owned }: Followed): () => void {
  const stops = [
    context.client.watch(resource, {}, ({ object }) => queue.add(keyOf(object))),
    context.client.watch(owned, {}, ({ object }) => queueOwner(queue, kind, object)),
  ];
  return () => {
    for (const stop of stops) stop();
    queue.stop();
  };
}

/** Queues the object that manages this one, when it is of that kind. */
export function queueOwner(queue: WorkQueue, kind: string, object: KubeObject): void {
  const owner = controllerOf(object);
  if (owner?.kind === kind) queue.add(`${object.metadata.namespace}/${owner.name}`);
}
