import { isObject, sameJson } from "../store/object.ts";
import type { StatusCause } from "../store/status.ts";
import { fieldSchema, type Schema } from "./schema.ts";

/** At most this many findings are reported for one object. */
const MAX_FINDINGS = 50;

/** Every way in which `value` breaks `schema`, in Kubernetes' words, in the order of the schema. */
export function validateSchema(value: unknown, schema: Schema, path = ""): StatusCause[] {
  const found: StatusCause[] = [];
  check(value, schema, path, found);
  return found.slice(0, MAX_FINDINGS);
}

function check(value: unknown, schema: Schema, path: string, found: StatusCause[]): void {
  if (found.length >= MAX_FINDINGS) return;
  if (value === null && schema.nullable) return;
  if (!hasRightType(value, schema)) {
    const got = typeName(value);
    const message = `Invalid value: "${got}": ${here(path)} in body must be of type ${wantedType(schema)}: "${got}"`;
    found.push({ reason: "FieldValueTypeInvalid", message, field: path || "<nil>" });
    return;
  }
  checkEnum(value, schema, path, found);
  if (typeof value === "string") checkString(value, schema, path, found);
  else if (typeof value === "number") checkNumber(value, schema, path, found);
  else if (Array.isArray(value)) checkArray(value, schema, path, found);
  else if (isObject(value)) checkObject(value, schema, path, found);
  checkCombined(value, schema, path, found);
}

function checkCombined(value: unknown, schema: Schema, path: string, found: StatusCause[]): void {
  for (const part of schema.allOf ?? []) check(value, part, path, found);
  if (schema.anyOf && !schema.anyOf.some((part) => fits(value, part)))
    found.push(invalid(path, value, `${here(path)} in body must validate at least one schema (anyOf)`));
  if (schema.oneOf && schema.oneOf.filter((part) => fits(value, part)).length !== 1)
    found.push(invalid(path, value, `${here(path)} in body must validate one and only one schema (oneOf)`));
  if (schema.not && fits(value, schema.not))
    found.push(invalid(path, value, `${here(path)} in body must not validate the schema (not)`));
}

function fits(value: unknown, schema: Schema): boolean {
  return validateSchema(value, schema).length === 0;
}

function checkEnum(value: unknown, schema: Schema, path: string, found: StatusCause[]): void {
  if (!schema.enum || schema.enum.some((allowed) => sameJson(allowed, value))) return;
  const supported = schema.enum.map((allowed) => JSON.stringify(allowed)).join(", ");
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported}`;
  found.push({ reason: "FieldValueNotSupported", message, field: path });
}

function checkString(value: string, schema: Schema, path: string, found: StatusCause[]): void {
  const length = [...value].length;
  if (schema.maxLength !== undefined && length > schema.maxLength)
    found.push({
      reason: "FieldValueTooLong",
      message: `Too long: may not be more than ${schema.maxLength} bytes`,
      field: path,
    });
  if (schema.minLength !== undefined && length < schema.minLength)
    found.push(invalid(path, value, `${path} in body should be at least ${schema.minLength} chars long`));
  if (schema.pattern !== undefined && !matches(schema.pattern, value))
    found.push(invalid(path, value, `${path} in body should match '${schema.pattern}'`));
  if (schema.format && !hasFormat(schema.format, value))
    found.push(invalid(path, value, `${path} in body must be of type ${schema.format}: ${JSON.stringify(value)}`));
}

function checkNumber(value: number, schema: Schema, path: string, found: StatusCause[]): void {
  const { minimum, maximum, multipleOf } = schema;
  if (minimum !== undefined && (schema.exclusiveMinimum ? value <= minimum : value < minimum))
    found.push(
      invalid(
        path,
        value,
        `${path} in body should be greater than ${schema.exclusiveMinimum ? "" : "or equal to "}${minimum}`,
      ),
    );
  if (maximum !== undefined && (schema.exclusiveMaximum ? value >= maximum : value > maximum))
    found.push(
      invalid(
        path,
        value,
        `${path} in body should be less than ${schema.exclusiveMaximum ? "" : "or equal to "}${maximum}`,
      ),
    );
  if (multipleOf && !Number.isInteger(value / multipleOf))
    found.push(invalid(path, value, `${path} in body should be a multiple of ${multipleOf}`));
}

function checkArray(value: unknown[], schema: Schema, path: string, found: StatusCause[]): void {
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    found.push({
      reason: "FieldValueTooMany",
      message: `Too many: ${value.length}: must have at most ${schema.maxItems} items`,
      field: path,
    });
  if (schema.minItems !== undefined && value.length < schema.minItems)
    found.push(invalid(path, value.length, `${path} in body should have at least ${schema.minItems} items`));
  if (schema.items) for (const [i, item] of value.entries()) check(item, schema.items, `${path}[${i}]`, found);
  checkDoubles(value, schema, path, found);
}

function checkDoubles(value: unknown[], schema: Schema, path: string, found: StatusCause[]): void {
  const keys = schema["x-kubernetes-list-type"] === "map" ? (schema["x-kubernetes-list-map-keys"] ?? []) : undefined;
  if (!keys && schema["x-kubernetes-list-type"] !== "set" && !schema.uniqueItems) return;
  const seen = new Set<string>();
  value.forEach((item, i) => {
    const identity = keys ? Object.fromEntries(keys.map((key) => [key, isObject(item) ? item[key] : undefined])) : item;
    const text = JSON.stringify(identity);
    if (seen.has(text))
      found.push({ reason: "FieldValueDuplicate", message: `Duplicate value: ${text}`, field: `${path}[${i}]` });
    seen.add(text);
  });
}

function checkObject(value: Record<string, unknown>, schema: Schema, path: string, found: StatusCause[]): void {
  for (const field of schema.required ?? [])
    if (value[field] === undefined)
      found.push({ reason: "FieldValueRequired", message: "Required value", field: join(path, field) });
  const count = Object.keys(value).length;
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    found.push({
      reason: "FieldValueTooMany",
      message: `Too many: ${count}: must have at most ${schema.maxProperties} items`,
      field: path,
    });
  if (schema.minProperties !== undefined && count < schema.minProperties)
    found.push(invalid(path, count, `${here(path)} in body should have at least ${schema.minProperties} properties`));
  for (const field of Object.keys(value)) {
    const inner = fieldSchema(schema, field);
    if (inner) check(value[field], inner, schema.properties?.[field] ? join(path, field) : `${path}.${field}`, found);
  }
}

function hasRightType(value: unknown, schema: Schema): boolean {
  if (schema["x-kubernetes-int-or-string"]) return typeof value === "string" || Number.isInteger(value);
  switch (schema.type) {
    case undefined:
    case "":
      return true;
    case "integer":
      return Number.isInteger(value);
    case "number":
      return typeof value === "number";
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    default:
      return typeof value === schema.type;
  }
}

function wantedType(schema: Schema): string {
  return schema["x-kubernetes-int-or-string"] ? "integer,string" : (schema.type ?? "object");
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value;
}

const patterns = new Map<string, RegExp | undefined>();

/** RE2 patterns of CRDs, as JavaScript reads them; one that it cannot read passes everything. */
function matches(pattern: string, value: string): boolean {
  if (!patterns.has(pattern)) patterns.set(pattern, compile(pattern));
  return patterns.get(pattern)?.test(value) ?? true;
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern, "u");
  } catch {
    try {
      return new RegExp(pattern); // escapes that the u flag refuses, like \-
    } catch {
      return undefined; // RE2 syntax that JavaScript lacks, like (?i)
    }
  }
}

const FORMATS: Record<string, RegExp> = {
  "date-time": /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
  date: /^\d{4}-\d\d-\d\d$/,
  ipv4: /^(\d{1,3}\.){3}\d{1,3}$/,
  uuid: /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/,
  byte: /^[A-Za-z0-9+/]*={0,2}$/,
};

function hasFormat(format: string, value: string): boolean {
  return FORMATS[format]?.test(value) ?? true;
}

function invalid(path: string, value: unknown, why: string): StatusCause {
  return { reason: "FieldValueInvalid", message: `Invalid value: ${show(value)}: ${why}`, field: path || "<nil>" };
}

function show(value: unknown): string {
  if (isObject(value) || Array.isArray(value)) return `"${Array.isArray(value) ? "array" : "object"}"`;
  return JSON.stringify(value);
}

function here(path: string): string {
  return path || "<nil>";
}

function join(path: string, field: string): string {
  return path ? `${path}.${field}` : field;
}
