import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import type { ApiClient, ListFilter } from "../api/in-process.ts";
import type { EventRecorder } from "../node/events.ts";
import type { KubeObject, OwnerReference } from "../store/object.ts";
import type { ResourceRegistry } from "../store/resources.ts";

/** What every controller is given. Reads answer from memory at once, so a controller always sees its own writes. */
export interface ControllerContext {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly registry: ResourceRegistry;
}

/** Starts watching; returns the way to stop. */
export type Controller = (context: ControllerContext) => () => void;

/** `namespace/name`, the key of an object in a queue. */
export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The owner that manages this object. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The reference by which `owner` manages another object. */
export function controlledBy(owner: KubeObject, apiVersion: string, kind: string): OwnerReference {
  const { name, uid = "" } = owner.metadata;
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** Objects of a type that `owner` manages. */
export function ownedBy<T extends KubeObject>(context: ControllerContext, resource: string, owner: KubeObject): T[] {
  const filter: ListFilter = owner.metadata.namespace ? { namespace: owner.metadata.namespace } : {};
  return context.client
    .list(resource, filter)
    .filter((object) => controllerOf(object)?.uid === owner.metadata.uid) as T[];
}

/** Whole seconds, as the API's times are. */
export function timestamp(clock: Clock): string {
  return `${new Date(clock.wallMs()).toISOString().slice(0, 19)}Z`;
}
