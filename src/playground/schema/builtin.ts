import builtinTypes from "./builtin-types.json" with { type: "json" };
import { ATOMIC_MAPS, ATOMIC_TYPES, LIST_MERGE, RETAIN_KEYS } from "./list-keys.ts";
import type { Schema } from "./schema.ts";

interface TypeRow {
  readonly f: Readonly<Record<string, string>>;
  readonly r?: readonly string[];
}

const rows = builtinTypes as unknown as Readonly<Record<string, TypeRow>>;
const schemas = new Map<string, Schema>();

/** Groups as paths name them → folders of the published types. */
const MODULES: Record<string, string> = {
  "": "core",
  apps: "apps",
  batch: "batch",
  autoscaling: "autoscaling",
  policy: "policy",
  "networking.k8s.io": "networking",
  "discovery.k8s.io": "discovery",
  "coordination.k8s.io": "coordination",
  "rbac.authorization.k8s.io": "rbac",
  "admissionregistration.k8s.io": "admissionregistration",
  "apiextensions.k8s.io": "apiextensions",
  "storage.k8s.io": "storage",
  "scheduling.k8s.io": "scheduling",
  "authentication.k8s.io": "authentication",
  "authorization.k8s.io": "authorization",
};

const ANYTHING: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** Schema of a built-in kind, from Kubernetes' published types. Kinds that are not described accept any field. */
export function builtinSchema(group: string, version: string, kind: string): Schema {
  return typeSchema(`${MODULES[group] ?? group}/${version}.${kind}`);
}

/** Schema of a published type such as `core/v1.PodSpec`. The same object on every call. */
export function typeSchema(name: string): Schema {
  const known = schemas.get(name);
  if (known) return known;
  const row = rows[name];
  if (!row) return ANYTHING;
  const schema: Schema = { type: "object", typeName: name, properties: {} };
  schemas.set(name, schema);
  if (ATOMIC_TYPES.has(name)) schema["x-kubernetes-map-type"] = "atomic";
  if (row.r) schema.required = [...row.r];
  for (const [field, type] of Object.entries(row.f)) schema.properties![field] = fieldOf(name, field, type);
  return schema;
}

function fieldOf(owner: string, field: string, type: string): Schema {
  if (type.startsWith("{}")) {
    const map: Schema = { type: "object", additionalProperties: fieldOf(owner, field, type.slice(2)) };
    if (ATOMIC_MAPS.has(`${owner}.${field}`)) map["x-kubernetes-map-type"] = "atomic";
    return map;
  }
  if (type.startsWith("[]")) return listOf(owner, field, type.slice(2));
  const schema = plain(type) ?? typeSchema(type);
  return RETAIN_KEYS.has(`${owner}.${field}`) ? { ...schema, "x-kubernetes-patch-strategy": "retainKeys" } : schema;
}

function listOf(owner: string, field: string, itemType: string): Schema {
  const list: Schema = { type: "array", items: fieldOf(owner, "", itemType), "x-kubernetes-list-type": "atomic" };
  const merge = LIST_MERGE[owner]?.[field];
  if (merge?.isSet) list["x-kubernetes-list-type"] = "set";
  if (merge?.keys) {
    list["x-kubernetes-list-type"] = "map";
    list["x-kubernetes-list-map-keys"] = [...merge.keys];
  }
  if (merge?.patchKey || merge?.isSet)
    list["x-kubernetes-patch-strategy"] = merge.retainKeys ? "merge,retainKeys" : "merge";
  if (merge?.patchKey) list["x-kubernetes-patch-merge-key"] = merge.patchKey;
  return list;
}

function plain(type: string): Schema | undefined {
  switch (type) {
    case "string":
    case "boolean":
    case "integer":
      return { type };
    case "time":
      return { type: "string", format: "date-time", nullable: true };
    case "quantity":
    case "int-or-string":
      return { "x-kubernetes-int-or-string": true };
    case "any":
      return { "x-kubernetes-preserve-unknown-fields": true };
    default:
      return undefined;
  }
}
