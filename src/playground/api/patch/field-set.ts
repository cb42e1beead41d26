import { fieldSchema, type Schema } from "../../schema/schema.ts";
import { isObject, sameJson } from "../../store/object.ts";

/**
 * A set of fields in the form of `managedFields[].fieldsV1`: `f:name` a field, `k:{…}` an item of a keyed list,
 * `v:…` an item of a set, `.` the item itself. An empty object is a leaf: that value as a whole.
 */
export interface FieldSet {
  [part: string]: FieldSet;
}

/** Metadata that the server owns or that names the object: nobody manages it. */
const UNMANAGED_META = new Set([
  "name",
  "namespace",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "managedFields",
  "selfLink",
]);

/** All fields that an object sets, without its identity. */
export function fieldsOf(object: Record<string, unknown>, schema: Schema, metaSchema: Schema): FieldSet {
  const set: FieldSet = {};
  for (const [field, value] of Object.entries(object)) {
    if (field === "apiVersion" || field === "kind" || value === undefined) continue;
    if (field !== "metadata") set[`f:${field}`] = fieldsIn(value, fieldSchema(schema, field));
    else {
      const meta = isObject(value) ? value : {};
      const kept = Object.fromEntries(Object.entries(meta).filter(([name]) => !UNMANAGED_META.has(name)));
      const inner = fieldsIn(kept, metaSchema);
      if (Object.keys(inner).length > 0) set["f:metadata"] = inner;
    }
  }
  return set;
}

function fieldsIn(value: unknown, schema: Schema | undefined): FieldSet {
  const set: FieldSet = {};
  if (isObject(value) && schema?.["x-kubernetes-map-type"] !== "atomic") {
    for (const [field, inner] of Object.entries(value))
      if (inner !== undefined) set[`f:${field}`] = fieldsIn(inner, fieldSchema(schema, field));
  } else if (Array.isArray(value)) {
    for (const item of value) {
      const part = itemPart(item, schema);
      if (!part) return {};
      set[part] = part.startsWith("k:") ? { ".": {}, ...fieldsIn(item, schema?.items) } : {};
    }
  }
  return set;
}

/** Name of a list item in a field set; undefined when the list is one value. */
export function itemPart(item: unknown, schema: Schema | undefined): string | undefined {
  const listType = schema?.["x-kubernetes-list-type"];
  if (listType === "set") return `v:${JSON.stringify(item)}`;
  if (listType !== "map" || !isObject(item)) return undefined;
  const identity: Record<string, unknown> = {};
  for (const key of schema?.["x-kubernetes-list-map-keys"] ?? []) {
    const value = item[key] ?? (key === "protocol" ? "TCP" : schema?.items?.properties?.[key]?.default);
    if (value !== undefined) identity[key] = value;
  }
  return `k:${JSON.stringify(identity)}`;
}

export function isLeaf(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { ...a };
  for (const [part, inner] of Object.entries(b)) result[part] = result[part] ? union(result[part], inner) : inner;
  return result;
}

/** What is in `a` and not in `b`. A branch that becomes empty goes; a leaf of `a` stays unless `b` has it. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [part, inner] of Object.entries(a)) {
    const other = b[part];
    if (!other) result[part] = inner;
    else if (!isLeaf(inner)) {
      const rest = difference(inner, other);
      if (!isLeaf(rest)) result[part] = rest;
    }
  }
  return result;
}

/** Leaves in both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [part, inner] of Object.entries(a)) {
    const other = b[part];
    if (!other) continue;
    if (isLeaf(inner) || isLeaf(other)) result[part] = {};
    else {
      const both = intersection(inner, other);
      if (!isLeaf(both)) result[part] = both;
    }
  }
  return result;
}

/** The part of `set` whose values differ between two objects (absent in one counts as different). */
export function changedIn(set: FieldSet, before: unknown, after: unknown, schema: Schema | undefined): FieldSet {
  const result: FieldSet = {};
  for (const [part, inner] of Object.entries(set)) {
    if (part === ".") {
      if ((before === undefined) !== (after === undefined)) result[part] = {};
      continue;
    }
    const from = valueAt(before, part, schema);
    const to = valueAt(after, part, schema);
    if (isLeaf(inner)) {
      if (!sameJson(from, to)) result[part] = {};
    } else {
      const changed = changedIn(inner, from, to, childSchema(schema, part));
      if (!isLeaf(changed)) result[part] = changed;
    }
  }
  return result;
}

/** The part of `set` that names something present in `object`. */
export function presentIn(set: FieldSet, object: unknown, schema: Schema | undefined): FieldSet {
  const result: FieldSet = {};
  for (const [part, inner] of Object.entries(set)) {
    if (part === ".") {
      if (object !== undefined) result[part] = {};
      continue;
    }
    const value = valueAt(object, part, schema);
    if (value === undefined) continue;
    if (isLeaf(inner)) result[part] = inner;
    else {
      const present = presentIn(inner, value, childSchema(schema, part));
      if (!isLeaf(present)) result[part] = present;
    }
  }
  return result;
}

/** A copy of `object` without the fields of `set`; keyed items go when `.` is in the set. */
export function without(object: unknown, set: FieldSet, schema: Schema | undefined): unknown {
  if (Array.isArray(object)) {
    const kept: unknown[] = [];
    for (const item of object) {
      const inner = set[itemPart(item, schema) ?? ""];
      if (!inner) kept.push(item);
      else if (!isLeaf(inner) && !inner["."]) kept.push(without(item, inner, schema?.items));
    }
    return kept;
  }
  if (!isObject(object)) return object;
  const result: Record<string, unknown> = { ...object };
  for (const [part, inner] of Object.entries(set)) {
    const field = part.slice(2);
    if (!part.startsWith("f:") || result[field] === undefined) continue;
    if (isLeaf(inner)) delete result[field];
    else {
      const rest = without(result[field], inner, fieldSchema(schema, field));
      if (isEmpty(rest)) delete result[field];
      else result[field] = rest;
    }
  }
  return result;
}

/** Paths of a set's leaves as Kubernetes prints them: `.spec.containers[name="a"].image`. */
export function pathsOf(set: FieldSet, prefix = ""): string[] {
  return Object.entries(set).flatMap(([part, inner]) => {
    if (part === ".") return [prefix];
    const path = prefix + partText(part);
    return isLeaf(inner) ? [path] : pathsOf(inner, path);
  });
}

function partText(part: string): string {
  if (part.startsWith("f:")) return `.${part.slice(2)}`;
  if (part.startsWith("v:")) return `[=${part.slice(2)}]`;
  const keys = Object.entries(JSON.parse(part.slice(2)) as Record<string, unknown>);
  return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
}

/** The schema under a part; for the root's metadata give the object's schema a `metadata` property. */
export function childSchema(schema: Schema | undefined, part: string): Schema | undefined {
  return part.startsWith("f:") ? fieldSchema(schema, part.slice(2)) : schema?.items;
}

function valueAt(object: unknown, part: string, schema: Schema | undefined): unknown {
  if (part.startsWith("f:")) return isObject(object) ? object[part.slice(2)] : undefined;
  return Array.isArray(object) ? object.find((item) => itemPart(item, schema) === part) : undefined;
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}
