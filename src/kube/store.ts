import { type KubeObject, keyOf, objectKey } from "./types/object.ts";

/** What happened to one object. */
export type Change<T extends KubeObject> =
  | { readonly type: "added"; readonly object: T }
  | { readonly type: "modified"; readonly object: T; readonly previous: T }
  | { readonly type: "deleted"; readonly object: T };

/** Under which keys an object is found in an index. */
export type IndexFunction<T extends KubeObject> = (object: T) => readonly string[];

/** Objects of one type in memory, by name, by namespace and by whatever `indexes` say. Objects are never changed in place. */
export class ObjectStore<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: {
    readonly name: string;
    readonly keysOf: IndexFunction<T>;
    readonly entries: Map<string, Map<string, T>>;
  }[];

  constructor(indexes: Readonly<Record<string, IndexFunction<T>>> = {}) {
    const all = { [BY_NAMESPACE]: (object: T) => [object.metadata.namespace ?? ""], ...indexes };
    this.#indexes = Object.entries(all).map(([name, keysOf]) => ({ name, keysOf, entries: new Map() }));
  }

  get size(): number {
    return this.#objects.size;
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#objects.get(keyOf(name, namespace));
  }

  list(namespace?: string): T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.byIndex(BY_NAMESPACE, namespace);
  }

  /** The objects that index `name` files under `key`. */
  byIndex(name: string, key: string): T[] {
    const index = this.#indexes.find((candidate) => candidate.name === name);
    if (!index) throw new Error(`Cannot read index "${name}": this store was made without it`);
    return [...(index.entries.get(key)?.values() ?? [])];
  }

  /** Keeps an object; undefined when this very version was there already. */
  set(object: T): Change<T> | undefined {
    const key = objectKey(object);
    const previous = this.#objects.get(key);
    if (previous && isSameVersion(previous, object)) return undefined;
    if (previous) this.#unfile(key, previous);
    this.#objects.set(key, object);
    this.#file(key, object);
    return previous ? { type: "modified", object, previous } : { type: "added", object };
  }

  /** Forgets an object; undefined when it was not there. The change carries `object`, its last state. */
  remove(object: T): Change<T> | undefined {
    const key = objectKey(object);
    const previous = this.#objects.get(key);
    if (!previous) return undefined;
    this.#objects.delete(key);
    this.#unfile(key, previous);
    return { type: "deleted", object };
  }

  /** Makes the store hold exactly `objects`; what differs comes back as changes, deletions first. */
  replace(objects: readonly T[]): Change<T>[] {
    const kept = new Set(objects.map(objectKey));
    const changes: (Change<T> | undefined)[] = [];
    for (const [key, object] of this.#objects) {
      if (!kept.has(key)) changes.push(this.remove(object));
    }
    for (const object of objects) changes.push(this.set(object));
    return changes.filter((change) => change !== undefined);
  }

  #file(key: string, object: T): void {
    for (const { keysOf, entries } of this.#indexes) {
      for (const indexKey of keysOf(object)) {
        const bucket = entries.get(indexKey);
        if (bucket) bucket.set(key, object);
        else entries.set(indexKey, new Map([[key, object]]));
      }
    }
  }

  #unfile(key: string, object: T): void {
    for (const { keysOf, entries } of this.#indexes) {
      for (const indexKey of keysOf(object)) {
        const bucket = entries.get(indexKey);
        bucket?.delete(key);
        if (bucket?.size === 0) entries.delete(indexKey);
      }
    }
  }
}

const BY_NAMESPACE = "namespace";

function isSameVersion(a: KubeObject, b: KubeObject): boolean {
  const { uid, resourceVersion } = a.metadata;
  return resourceVersion !== undefined && resourceVersion === b.metadata.resourceVersion && uid === b.metadata.uid;
}
