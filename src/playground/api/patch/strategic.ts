import { fieldSchema, type Schema } from "../../schema/schema.ts";
import { cloneObject, isObject, sameJson } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";

type Fields = Record<string, unknown>;

const ORDER = "$setElementOrder/";
const DELETE_FROM = "$deleteFromPrimitiveList/";

/**
 * Strategic merge patch on a copy: lists with a merge key merge item by item, others are replaced; directives
 * `$patch`, `$setElementOrder/…`, `$deleteFromPrimitiveList/…` and `$retainKeys` are obeyed and never stored.
 */
export function strategicMerge(target: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (!isObject(patch)) throw StatusError.badRequest("Cannot apply strategic merge patch: wanted an object");
  return mergeObject(isObject(target) ? target : {}, patch, schema);
}

function mergeObject(target: Fields, patch: Fields, schema: Schema | undefined): Fields {
  const directive = patch["$patch"];
  if (directive === "delete") return {};
  if (directive === "replace") return withoutDirectives(patch);
  if (directive !== undefined && directive !== "merge")
    throw StatusError.badRequest(
      `Cannot apply strategic merge patch: unknown $patch "${String(directive)}", wanted delete, replace or merge`,
    );
  const result: Fields = { ...target };
  retain(result, patch["$retainKeys"]);
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith("$") || field === "__proto__") continue;
    if (value === null) delete result[field];
    else result[field] = mergeValue(result[field], value, fieldSchema(schema, field));
  }
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith(DELETE_FROM)) removeFrom(result, field.slice(DELETE_FROM.length), value);
    if (field.startsWith(ORDER)) reorder(result, field.slice(ORDER.length), value, schema);
  }
  return result;
}

function mergeValue(target: unknown, patch: unknown, schema: Schema | undefined): unknown {
  if (Array.isArray(patch)) return mergeList(Array.isArray(target) ? target : [], patch, schema);
  if (!isObject(patch)) return patch;
  if (patch["$patch"] === "delete") return undefined;
  return mergeObject(isObject(target) ? target : {}, patch, schema);
}

function mergeList(target: unknown[], patch: unknown[], schema: Schema | undefined): unknown[] {
  const key = schema?.["x-kubernetes-patch-merge-key"];
  const isMerged = schema?.["x-kubernetes-patch-strategy"]?.includes("merge") ?? false;
  const replaces = patch.some(
    (item) => isObject(item) && item["$patch"] === "replace" && Object.keys(item).length === 1,
  );
  if (!isMerged || replaces) return patch.filter((item) => !isDirective(item)).map(cloneWithout);
  if (!key) return [...target, ...patch.filter((item) => !target.some((have) => sameJson(have, item)))];
  const result = [...target];
  for (const item of patch) mergeItem(result, item, key, schema?.items);
  return result;
}

function mergeItem(list: unknown[], item: unknown, key: string, schema: Schema | undefined): void {
  if (!isObject(item))
    throw StatusError.badRequest("Cannot apply strategic merge patch: an item of a keyed list is not an object");
  if (isDirective(item)) return;
  const identity = item[key];
  if (identity === undefined)
    throw StatusError.badRequest(
      `Cannot apply strategic merge patch: map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`,
    );
  const at = list.findIndex((have) => isObject(have) && sameJson(have[key], identity));
  if (item["$patch"] === "delete") {
    if (at >= 0) list.splice(at, 1);
    return;
  }
  const merged = mergeObject(at >= 0 ? (list[at] as Fields) : {}, item, schema);
  if (at >= 0) list[at] = merged;
  else list.push(merged);
}

/** `$retainKeys`: of the fields that are there, only the named ones stay. */
function retain(result: Fields, keys: unknown): void {
  if (!Array.isArray(keys)) return;
  for (const field of Object.keys(result)) if (!keys.includes(field)) delete result[field];
}

function removeFrom(result: Fields, field: string, values: unknown): void {
  const list = result[field];
  if (!Array.isArray(list) || !Array.isArray(values)) return;
  result[field] = list.filter((item) => !values.some((value) => sameJson(value, item)));
}

/** Puts the named items into the patch's order; those it does not name keep their places between them. */
function reorder(result: Fields, field: string, order: unknown, schema: Schema | undefined): void {
  const list = result[field];
  if (!Array.isArray(list) || !Array.isArray(order)) return;
  const key = fieldSchema(schema, field)?.["x-kubernetes-patch-merge-key"];
  const identityOf = (item: unknown) => (key && isObject(item) ? item[key] : item);
  const rankOf = (item: unknown) => order.findIndex((wanted) => sameJson(identityOf(wanted), identityOf(item)));
  const ordered = list.filter((item) => rankOf(item) >= 0).sort((a, b) => rankOf(a) - rankOf(b));
  let next = 0;
  result[field] = list.map((item) => (rankOf(item) >= 0 ? ordered[next++] : item));
}

function isDirective(item: unknown): boolean {
  return isObject(item) && item["$patch"] !== undefined && Object.keys(item).length === 1;
}

function cloneWithout(item: unknown): unknown {
  return isObject(item) ? withoutDirectives(item) : cloneObject(item);
}

function withoutDirectives(object: Fields): Fields {
  const result: Fields = {};
  for (const [field, value] of Object.entries(object)) {
    if (field.startsWith("$")) continue;
    result[field] = Array.isArray(value)
      ? value.filter((item) => !isDirective(item)).map(cloneWithout)
      : cloneWithout(value);
  }
  return result;
}
