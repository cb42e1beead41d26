import { cloneObject, isObject, type JsonObject } from "../store/object.ts";
import { typeSchema } from "./builtin.ts";
import { fieldSchema, type Schema } from "./schema.ts";

/** Fields every object has beside what its schema says. */
const ENVELOPE = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Removes the fields a schema does not know, in place, and returns their paths (`spec.foo`, `spec.items[2].bar`) in
 * the order of the object. `isRoot`: apiVersion, kind and metadata stay and metadata is checked against ObjectMeta.
 */
export function pruneUnknown(value: unknown, schema: Schema, isRoot: boolean): string[] {
  const unknown: string[] = [];
  prune(value, schema, "", isRoot, unknown);
  return unknown;
}

function prune(value: unknown, schema: Schema, path: string, isRoot: boolean, unknown: string[]): void {
  if (Array.isArray(value)) {
    if (schema.items)
      for (const [i, item] of value.entries()) prune(item, schema.items, `${path}[${i}]`, false, unknown);
    return;
  }
  if (!isObject(value)) return;
  const isEnvelope = isRoot || schema["x-kubernetes-embedded-resource"] === true;
  for (const field of Object.keys(value)) {
    const at = path ? `${path}.${field}` : field;
    if (isEnvelope && ENVELOPE.has(field)) {
      if (field === "metadata") prune(value[field], typeSchema("meta/v1.ObjectMeta"), at, false, unknown);
      continue;
    }
    const inner = fieldSchema(schema, field);
    if (inner) prune(value[field], inner, at, false, unknown);
    else if (!keepsUnknown(schema)) {
      unknown.push(at);
      delete value[field];
    }
  }
}

function keepsUnknown(schema: Schema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties === true;
}

/** Sets the defaults a schema declares, in place; a null where null is not allowed counts as absent. */
export function setDefaults(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) setDefaults(item, schema.items);
    return;
  }
  if (!isObject(value)) return;
  for (const [field, inner] of Object.entries(schema.properties ?? {})) {
    const isMissing = value[field] === undefined || (value[field] === null && !inner.nullable);
    if (isMissing && inner.default !== undefined) value[field] = cloneObject(inner.default) as JsonObject;
  }
  for (const field of Object.keys(value)) {
    const inner = fieldSchema(schema, field);
    if (inner) setDefaults(value[field], inner);
  }
}

/** Removes fields set to null, in place, where the schema does not allow null: Kubernetes reads them as absent. */
export function dropNulls(value: unknown, schema: Schema | undefined): void {
  if (Array.isArray(value)) {
    for (const item of value) dropNulls(item, schema?.items);
    return;
  }
  if (!isObject(value)) return;
  for (const field of Object.keys(value)) {
    const inner = fieldSchema(schema, field);
    if (value[field] === null && inner && !inner.nullable && !keepsUnknown(inner)) delete value[field];
    else dropNulls(value[field], inner);
  }
}

/** What a typed decoder says of a value of the wrong JSON type; undefined when all fit. For built-in kinds. */
export function decodeMismatch(value: unknown, schema: Schema, path: string): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (schema["x-kubernetes-int-or-string"])
    return typeof value === "string" || typeof value === "number"
      ? undefined
      : mismatch(value, path, "intstr.IntOrString");
  switch (schema.type) {
    case "string":
      return typeof value === "string" ? undefined : mismatch(value, path, "string");
    case "boolean":
      return typeof value === "boolean" ? undefined : mismatch(value, path, "bool");
    case "integer":
      return typeof value === "number" && Number.isInteger(value) ? undefined : mismatch(value, path, "int32");
    case "array":
      if (!Array.isArray(value)) return mismatch(value, path, "[]");
      return first(value, (item) => decodeMismatch(item, schema.items ?? {}, path));
    case "object": {
      if (!isObject(value)) return mismatch(value, path, schema.typeName?.split(".").at(-1) ?? "map[string]string");
      return first(Object.keys(value), (field) => {
        const inner = fieldSchema(schema, field);
        return inner && decodeMismatch(value[field], inner, path ? `${path}.${field}` : field);
      });
    }
    default:
      return undefined;
  }
}

function mismatch(value: unknown, path: string, wanted: string): string {
  const got = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  return `json: cannot unmarshal ${got} into Go struct field ${path} of type ${wanted}`;
}

function first<T>(items: readonly T[], check: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = check(item);
    if (found) return found;
  }
  return undefined;
}
