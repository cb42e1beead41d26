import type { ObjectMeta as Meta, OwnerReference } from "#kube/types";

/** Values as JSON has them; objects of the API are trees of these. */
export type Json = string | number | boolean | null | Json[] | JsonObject;
export interface JsonObject {
  [field: string]: Json | undefined;
}

export type { OwnerReference };

export interface ObjectMeta extends Meta {
  managedFields?: JsonObject[];
}

/**
 * One object of the API. `Spec`-like parts are left to the reader: a controller narrows what it uses
 * (`object.spec as DeploymentSpec`).
 */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** A copy that shares nothing. */
export function cloneObject<T>(value: T): T {
  if (Array.isArray(value)) return value.map(cloneObject) as T;
  if (value !== null && typeof value === "object") {
    const copy: Record<string, unknown> = {};
    for (const field of Object.keys(value)) copy[field] = cloneObject((value as Record<string, unknown>)[field]);
    return copy as T;
  }
  return value;
}

/** Same JSON: order of fields does not matter, a field set to undefined is an absent one. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a))
    return a.length === (b as unknown[]).length && a.every((item, i) => sameJson(item, (b as unknown[])[i]));
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const field of Object.keys(left)) if (!sameJson(left[field], right[field])) return false;
  for (const field of Object.keys(right)) if (right[field] !== undefined && left[field] === undefined) return false;
  return true;
}

/** True for a JSON object, not an array, not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
