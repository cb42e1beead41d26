import { builtinSchema } from "../schema/builtin.ts";
import { type CrdVersion, customVersions } from "../schema/crd.ts";
import type { Schema } from "../schema/schema.ts";
import { BUILTIN_TYPES } from "../store/builtin.ts";
import type { KubeObject } from "../store/object.ts";
import { apiVersionOf, ResourceRegistry, type ResourceType, storageKey } from "../store/resources.ts";
import type { Store } from "../store/store.ts";

const CRDS = "customresourcedefinitions.apiextensions.k8s.io";

/** Types that are served, with their schemas. Follows the CustomResourceDefinitions of a store by itself. */
export class Types {
  readonly registry = new ResourceRegistry(BUILTIN_TYPES);
  readonly #custom = new Map<string, { schema: Schema; version: CrdVersion }>();
  readonly #store: Store;
  /** Grows with every change of the set of types; discovery and OpenAPI answers carry it. */
  generation = 1;

  constructor(store: Store) {
    this.#store = store;
    store.watch(CRDS, undefined, (event) =>
      this.#follow(event.type === "DELETED" ? undefined : event.object, event.object),
    );
  }

  schemaOf(type: ResourceType): Schema {
    if (!type.isCustom) return builtinSchema(type.group, type.version, type.kind);
    return this.#custom.get(customKey(type))?.schema ?? { type: "object" };
  }

  /** The CRD's own words on a custom version: columns, scale paths, deprecation. */
  customOf(type: ResourceType): CrdVersion | undefined {
    return this.#custom.get(customKey(type))?.version;
  }

  #follow(crd: KubeObject | undefined, named: KubeObject): void {
    const key = named.metadata.name;
    this.generation++;
    const versions = crd ? customVersions(crd) : [];
    this.registry.setCustom(
      key,
      versions.map((version) => version.type),
    );
    for (const { type, schema, version } of versions) this.#custom.set(customKey(type), { schema, version });
    if (!crd) this.#dropAll(key);
  }

  /** Objects of a type that is gone go with it, each with its event. */
  #dropAll(key: string): void {
    for (const object of this.#store.list(key))
      this.#store.remove(key, object.metadata.namespace, object.metadata.name);
    this.#store.forget(key);
  }
}

function customKey(type: ResourceType): string {
  return `${storageKey(type)}/${apiVersionOf(type)}`;
}
