import type { KubeObject } from "./object.ts";
import { StatusError } from "./status.ts";

export type WatchType = "ADDED" | "MODIFIED" | "DELETED";

/** One change. Objects in events and answers are frozen snapshots by contract: clone before changing. */
export interface StoreEvent {
  readonly type: WatchType;
  /** `pods`, `deployments.apps`: see `storageKey` in resources.ts. */
  readonly resource: string;
  readonly object: KubeObject;
  /** What it was before; undefined for ADDED. Watches with selectors need it at their border. */
  readonly previous: KubeObject | undefined;
  readonly revision: number;
}

export type StoreSink = (event: StoreEvent) => void;

/** How many past changes a watch may resume from; older ones get 410 and list again. */
const MAX_HISTORY = 4_096;

/**
 * All objects, in memory, under one revision counter. It knows names, revisions and change events; what may be
 * written and how (defaults, generation, finalizers, admission) is `../api/objects.ts` above it. Nothing survives the process.
 */
export class Store {
  readonly #tables = new Map<string, Map<string, KubeObject>>();
  readonly #watchers = new Set<{ resource: string; sink: StoreSink }>();
  #history: StoreEvent[] = [];
  #droppedUpTo = 0;
  #revision = 1;

  /** The latest revision given out. */
  get revision(): number {
    return this.#revision;
  }

  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#tables.get(resource)?.get(rowKey(namespace, name));
  }

  /** Objects in order of namespace and name; all namespaces when `namespace` is undefined. */
  list(resource: string, namespace?: string): KubeObject[] {
    const table = this.#tables.get(resource);
    if (!table) return [];
    const keys = [...table.keys()].sort();
    const rows = keys.map((key) => table.get(key)!);
    return namespace === undefined ? rows : rows.filter((row) => row.metadata.namespace === namespace);
  }

  /** Adds an object under the next revision. AlreadyExists when the name is taken. */
  create(resource: string, object: KubeObject): KubeObject {
    const key = rowKey(object.metadata.namespace, object.metadata.name);
    const table = this.#table(resource);
    if (table.has(key)) throw StatusError.alreadyExists(resource, object.metadata.name);
    return this.#put(table, key, resource, object, undefined);
  }

  /**
   * Replaces an object under the next revision. Conflict when `object.metadata.resourceVersion` is set and
   * not the current one; NotFound when it is not there.
   */
  update(resource: string, object: KubeObject): KubeObject {
    const { namespace, name, resourceVersion } = object.metadata;
    const key = rowKey(namespace, name);
    const table = this.#table(resource);
    const previous = table.get(key);
    if (!previous) throw StatusError.notFound(resource, name);
    if (resourceVersion && resourceVersion !== previous.metadata.resourceVersion)
      throw StatusError.conflict(resource, name);
    return this.#put(table, key, resource, object, previous);
  }

  /** Removes an object at once, finalizers or not (the rules above decide when). */
  remove(resource: string, namespace: string | undefined, name: string): KubeObject | undefined {
    const table = this.#tables.get(resource);
    const key = rowKey(namespace, name);
    const previous = table?.get(key);
    if (!table || !previous) return undefined;
    table.delete(key);
    const revision = ++this.#revision;
    const object = { ...previous, metadata: { ...previous.metadata, resourceVersion: String(revision) } };
    this.#tell({ type: "DELETED", resource, object, previous, revision });
    return object;
  }

  /**
   * Calls `sink` for every change of `resource` after `fromRevision` (undefined: from now), past ones first, in order.
   * Sinks run inside the write: they must only take note. Returns the way to stop. Expired (410) when history is gone.
   */
  watch(resource: string, fromRevision: number | undefined, sink: StoreSink): () => void {
    if (fromRevision !== undefined) {
      if (fromRevision < this.#droppedUpTo) throw StatusError.expired(fromRevision, this.#droppedUpTo);
      for (const event of this.#history) if (event.revision > fromRevision && event.resource === resource) sink(event);
    }
    const watcher = { resource, sink };
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Drops a whole resource type without events (its CRD is gone). */
  forget(resource: string): void {
    this.#tables.delete(resource);
  }

  #table(resource: string): Map<string, KubeObject> {
    let table = this.#tables.get(resource);
    if (!table) this.#tables.set(resource, (table = new Map()));
    return table;
  }

  #put(
    table: Map<string, KubeObject>,
    key: string,
    resource: string,
    object: KubeObject,
    previous: KubeObject | undefined,
  ): KubeObject {
    const revision = ++this.#revision;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    table.set(key, stored);
    this.#tell({ type: previous ? "MODIFIED" : "ADDED", resource, object: stored, previous, revision });
    return stored;
  }

  #tell(event: StoreEvent): void {
    this.#history.push(event);
    if (this.#history.length > MAX_HISTORY * 2) {
      const dropped = this.#history.length - MAX_HISTORY;
      this.#droppedUpTo = this.#history[dropped - 1]!.revision;
      this.#history = this.#history.slice(dropped);
    }
    for (const watcher of [...this.#watchers]) if (watcher.resource === event.resource) watcher.sink(event);
  }
}

function rowKey(namespace: string | undefined, name: string): string {
  return `${namespace ?? ""}/${name}`;
}
