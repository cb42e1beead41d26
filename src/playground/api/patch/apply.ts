import { typeSchema } from "../../schema/builtin.ts";
import { fieldSchema, type Schema } from "../../schema/schema.ts";
import { cloneObject, isObject, type KubeObject, sameJson } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";
import {
  changedIn,
  difference,
  type FieldSet,
  fieldsOf,
  intersection,
  isLeaf,
  itemPart,
  pathsOf,
  presentIn,
  union,
  without,
} from "./field-set.ts";

/** One line of `metadata.managedFields`. */
export interface ManagedEntry {
  manager: string;
  operation: "Apply" | "Update";
  apiVersion: string;
  time: string;
  fieldsType: "FieldsV1";
  fieldsV1: FieldSet;
  subresource?: string;
}

export interface Manager {
  readonly name: string;
  readonly apiVersion: string;
  /** RFC 3339. */
  readonly time: string;
  readonly subresource?: string;
}

/** As many managers as one object remembers; the oldest updaters are then lumped together by dropping the first. */
const MAX_MANAGERS = 32;

/**
 * Server-side apply: `config` laid over `live` (undefined: it will be created), with the fields the manager no longer
 * sets removed unless somebody else owns them. Conflict (409) when others own what it changes, unless forced.
 * Changes neither argument; the result carries the new managedFields.
 */
export function applyConfig(
  live: KubeObject | undefined,
  config: KubeObject,
  schema: Schema,
  manager: Manager,
  force: boolean,
): KubeObject {
  const root = rootSchema(schema);
  const wanted = fieldsOf(config, schema, META());
  let entries = live ? managedOf(live) : [];
  if (live) entries = takeOver(live, config, root, wanted, entries, manager, force);
  const mine = entries.find((entry) => isSameManager(entry, manager, "Apply"));
  let merged = live ? (overlay(live, config, root) as KubeObject) : cloneObject(config);
  if (mine) {
    const others = entries
      .filter((entry) => entry !== mine)
      .reduce((all, entry) => union(all, entry.fieldsV1), {} as FieldSet);
    const dropped = difference(difference(mine.fieldsV1, wanted), others);
    merged = without(merged, dropped, root) as KubeObject;
  }
  entries = entries.filter((entry) => entry !== mine);
  const isSame = mine !== undefined && sameJson(mine.fieldsV1, wanted);
  entries.push(isSame ? mine : newEntry(manager, "Apply", wanted));
  return withManaged(merged, entries);
}

/**
 * Notes a plain write: what it changed or added becomes the manager's (`Update`), what it removed is nobody's.
 * Returns `after` with its managedFields; the caller keeps it.
 */
export function trackUpdate(
  before: KubeObject | undefined,
  after: KubeObject,
  schema: Schema,
  manager: Manager,
): KubeObject {
  const root = rootSchema(schema);
  const has = fieldsOf(after, schema, META());
  const entries = managedOf(after);
  const changed = before ? changedIn(has, before, after, root) : has;
  const kept = entries
    .map((entry) => {
      const present = presentIn(entry.fieldsV1, after, root);
      const isMine = isSameManager(entry, manager, "Update");
      return { ...entry, fieldsV1: isMine ? present : difference(present, changed) };
    })
    .filter((entry) => !isLeaf(entry.fieldsV1));
  if (isLeaf(changed)) return withManaged(after, kept);
  const mine = kept.find((entry) => isSameManager(entry, manager, "Update"));
  const rest = kept.filter((entry) => entry !== mine);
  return withManaged(after, [...rest, newEntry(manager, "Update", mine ? union(mine.fieldsV1, changed) : changed)]);
}

/** Removes from other managers what this apply changes; or refuses, naming each field. */
function takeOver(
  live: KubeObject,
  config: KubeObject,
  root: Schema,
  wanted: FieldSet,
  entries: ManagedEntry[],
  manager: Manager,
  force: boolean,
): ManagedEntry[] {
  const differing = changedIn(wanted, live, config, root);
  const conflicts: { entry: ManagedEntry; fields: FieldSet }[] = [];
  for (const entry of entries) {
    if (isSameManager(entry, manager, "Apply")) continue;
    const fields = intersection(onlyLeaves(differing), entry.fieldsV1);
    if (!isLeaf(fields)) conflicts.push({ entry, fields });
  }
  if (conflicts.length === 0) return entries;
  if (!force) throw conflictError(conflicts);
  return entries
    .map((entry) => {
      const taken = conflicts.find((conflict) => conflict.entry === entry);
      return taken ? { ...entry, fieldsV1: difference(entry.fieldsV1, taken.fields) } : entry;
    })
    .filter((entry) => !isLeaf(entry.fieldsV1));
}

/** Item markers are shared by all who set something in the item: they never conflict. */
function onlyLeaves(set: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [part, inner] of Object.entries(set)) {
    if (part === ".") continue;
    if (isLeaf(inner)) result[part] = inner;
    else {
      const rest = onlyLeaves(inner);
      if (!isLeaf(rest)) result[part] = rest;
    }
  }
  return result;
}

function conflictError(conflicts: { entry: ManagedEntry; fields: FieldSet }[]): StatusError {
  const causes = conflicts.flatMap(({ entry, fields }) =>
    pathsOf(fields).map((field) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${managerText(entry)}`,
      field,
    })),
  );
  const count = causes.length;
  const text =
    count === 1
      ? `${causes[0]!.message}: ${causes[0]!.field}`
      : conflicts
          .map(
            ({ entry, fields }) =>
              `conflicts with ${managerText(entry)}:\n${pathsOf(fields)
                .map((path) => `- ${path}`)
                .join("\n")}`,
          )
          .join("\n");
  return new StatusError("Conflict", `Apply failed with ${count} conflict${count === 1 ? "" : "s"}: ${text}`, {
    causes,
  });
}

function managerText(entry: ManagedEntry): string {
  const through = entry.subresource ? ` with subresource ${JSON.stringify(entry.subresource)}` : "";
  return `${JSON.stringify(entry.manager)}${through} using ${entry.apiVersion}`;
}

function overlay(live: unknown, config: unknown, schema: Schema | undefined): unknown {
  if (isObject(config) && isObject(live) && schema?.["x-kubernetes-map-type"] !== "atomic") {
    const result: Record<string, unknown> = { ...live };
    for (const [field, value] of Object.entries(config))
      if (field !== "__proto__") result[field] = overlay(live[field], value, fieldSchema(schema, field));
    return result;
  }
  const listType = schema?.["x-kubernetes-list-type"];
  if (Array.isArray(config) && Array.isArray(live) && (listType === "map" || listType === "set"))
    return overlayList(live, config, schema);
  return cloneObject(config);
}

function overlayList(live: unknown[], config: unknown[], schema: Schema | undefined): unknown[] {
  const result = [...live];
  for (const item of config) {
    const part = itemPart(item, schema);
    const at = result.findIndex((have) => itemPart(have, schema) === part);
    if (at >= 0) result[at] = overlay(result[at], item, schema?.items);
    else result.push(cloneObject(item));
  }
  return result;
}

function managedOf(object: KubeObject): ManagedEntry[] {
  const entries = (object.metadata.managedFields ?? []) as unknown as ManagedEntry[];
  return entries.filter((entry) => isObject(entry) && isObject(entry.fieldsV1));
}

function withManaged(object: KubeObject, entries: ManagedEntry[]): KubeObject {
  const metadata = { ...object.metadata };
  if (entries.length > 0) metadata.managedFields = entries.slice(-MAX_MANAGERS) as never;
  else delete metadata.managedFields;
  return { ...object, metadata };
}

function newEntry(manager: Manager, operation: ManagedEntry["operation"], fieldsV1: FieldSet): ManagedEntry {
  return {
    manager: manager.name,
    operation,
    apiVersion: manager.apiVersion,
    time: manager.time,
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(manager.subresource ? { subresource: manager.subresource } : {}),
  };
}

function isSameManager(entry: ManagedEntry, manager: Manager, operation: ManagedEntry["operation"]): boolean {
  return (
    entry.manager === manager.name &&
    entry.operation === operation &&
    (entry.subresource ?? "") === (manager.subresource ?? "") &&
    entry.apiVersion === manager.apiVersion
  );
}

function META(): Schema {
  return typeSchema("meta/v1.ObjectMeta");
}

/** The kind's schema with ObjectMeta under `metadata`, as CRDs leave it out. */
function rootSchema(schema: Schema): Schema {
  return { ...schema, properties: { ...schema.properties, metadata: META() } };
}
