import { isIP } from "node:net";
import { Environment } from "@marcbachmann/cel-js";
import { isObject } from "../store/object.ts";
import type { StatusCause } from "../store/status.ts";
import { fieldSchema, type Schema, type ValidationRule } from "./schema.ts";

type Program = (context: Record<string, unknown>) => unknown;

/** As many rules of one object as are evaluated; Kubernetes bounds their cost, we their number. */
const MAX_EVALUATIONS = 20_000;
/** As many compiled expressions as are kept. */
const MAX_PROGRAMS = 2_000;

const programs = new Map<string, Program>();
let environment: Environment | undefined;

/** Compiles an expression over `self`, `oldSelf`, `object`, `oldObject`, `request`, …; throws what CEL says of its syntax. */
export function compileCel(expression: string): Program {
  const known = programs.get(expression);
  if (known) return known;
  if (programs.size >= MAX_PROGRAMS) programs.clear();
  environment ??= makeEnvironment();
  const program = environment.parse(plainHas(expression)) as unknown as Program;
  programs.set(expression, program);
  return program;
}

/**
 * Runs every `x-kubernetes-validations` rule that applies to `value`. Transition rules (those that name `oldSelf`) run
 * only where there is an old value to compare with.
 */
export function celFindings(value: unknown, old: unknown, schema: Schema): StatusCause[] {
  const run = { found: [] as StatusCause[], left: MAX_EVALUATIONS };
  walk(value, old, schema, "", run);
  return run.found;
}

/**
 * Hacky: the CEL library takes only `has(a.b.c)`; Gateway API's rules say `has(self.matches[0].path)`, which is written
 * here as `self.matches[0].?path.hasValue()`, the same question in optional syntax.
 */
export function plainHas(expression: string): string {
  const literal = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\bhas\(([^()"']*\[[^()"']*)\.([A-Za-z_]\w*)\s*\)/g;
  return expression.replace(literal, (text, base?: string, field?: string) =>
    base === undefined ? text : `(${base}.?${field}.hasValue())`,
  );
}

interface Run {
  readonly found: StatusCause[];
  left: number;
}

function walk(value: unknown, old: unknown, schema: Schema, path: string, run: Run): void {
  if (value === undefined || value === null) return;
  const rules = schema["x-kubernetes-validations"];
  if (rules?.length) {
    const self = toCel(value, schema);
    const oldSelf = old === undefined || old === null ? undefined : toCel(old, schema);
    for (const rule of rules) evaluate(rule, self, oldSelf, value, path, run);
  }
  if (Array.isArray(value)) {
    if (!schema.items) return;
    for (const [i, item] of value.entries())
      walk(item, counterpart(item, old, schema), schema.items, `${path}[${i}]`, run);
    return;
  }
  if (!isObject(value)) return;
  const before = isObject(old) ? old : {};
  for (const [field, inner] of Object.entries(value)) {
    const at = fieldSchema(schema, field);
    if (at) walk(inner, before[field], at, path ? `${path}.${field}` : field, run);
  }
}

/** The item of an old keyed list that this one was; items of other lists cannot be told apart. */
function counterpart(item: unknown, old: unknown, schema: Schema): unknown {
  const keys = schema["x-kubernetes-list-map-keys"];
  if (!keys || schema["x-kubernetes-list-type"] !== "map" || !Array.isArray(old) || !isObject(item)) return undefined;
  return old.find((other) => isObject(other) && keys.every((key) => other[key] === item[key]));
}

function evaluate(rule: ValidationRule, self: unknown, oldSelf: unknown, value: unknown, path: string, run: Run): void {
  const isTransition = /\boldSelf\b/.test(rule.rule);
  if (isTransition && oldSelf === undefined && !rule.optionalOldSelf) return;
  if (run.left-- <= 0) return;
  const context = { self, oldSelf };
  try {
    if (compileCel(rule.rule)(context) === true) return;
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message.split("\n")[0] : String(thrown);
    run.found.push(finding(rule, value, path, `rule evaluation error: ${why}`));
    return;
  }
  run.found.push(finding(rule, value, path, messageOf(rule, context)));
}

function messageOf(rule: ValidationRule, context: Record<string, unknown>): string {
  if (rule.messageExpression) {
    try {
      const text = compileCel(rule.messageExpression)(context);
      if (typeof text === "string" && text.trim()) return text;
    } catch {
      // as in Kubernetes: a failing messageExpression falls back to message
    }
  }
  return rule.message ?? `failed rule: ${rule.rule.replaceAll("\n", " ").trim()}`;
}

function finding(rule: ValidationRule, value: unknown, path: string, message: string): StatusCause {
  const field = (path + (rule.fieldPath ?? "")).replace(/^\./, "") || "<nil>";
  const shown = isObject(value) ? '"object"' : Array.isArray(value) ? '"array"' : JSON.stringify(value);
  const reason = rule.reason ?? "FieldValueInvalid";
  if (reason === "FieldValueForbidden") return { reason, field, message: `Forbidden: ${message}` };
  if (reason === "FieldValueRequired") return { reason, field, message: `Required value: ${message}` };
  if (reason === "FieldValueDuplicate") return { reason, field, message: `Duplicate value: ${shown}` };
  return { reason, field, message: `Invalid value: ${shown}: ${message}` };
}

const RESERVED = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);

/** A JSON value as CEL sees it: integers are int, declared field names are escaped as Kubernetes does. */
export function toCel(value: unknown, schema: Schema | undefined): unknown {
  if (typeof value === "number") {
    const isInteger = schema?.type === "integer" || (schema?.type !== "number" && Number.isInteger(value));
    return isInteger && Number.isInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map((item) => toCel(item, schema?.items));
  if (!isObject(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [field, inner] of Object.entries(value)) {
    const name = schema?.properties?.[field] ? escapeField(field) : field;
    if (inner !== undefined && name !== "__proto__") result[name] = toCel(inner, fieldSchema(schema, field));
  }
  return result;
}

function escapeField(field: string): string {
  if (RESERVED.has(field)) return `__${field}__`;
  return field
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}

/** CEL with the functions that Kubernetes adds to the language. */
function makeEnvironment(): Environment {
  const env = new Environment({
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
  });
  const add = (signature: string, run: (...args: never[]) => unknown) =>
    env.registerFunction(signature, run as (...args: unknown[]) => unknown);
  add("list.isSorted(): bool", (items: (string | bigint)[]) =>
    items.every((item, i) => i === 0 || items[i - 1]! <= item),
  );
  add("list.sum(): dyn", (items: bigint[]) => items.reduce((sum, item) => sum + item, 0n));
  add("list.min(): dyn", (items: bigint[]) => items.reduce(smaller));
  add("list.max(): dyn", (items: bigint[]) => items.reduce(larger));
  add("list.indexOf(dyn): int", (items: unknown[], wanted: unknown) => BigInt(items.indexOf(wanted)));
  add("list.lastIndexOf(dyn): int", (items: unknown[], wanted: unknown) => BigInt(items.lastIndexOf(wanted)));
  add("string.find(string): string", (text: string, pattern: string) => new RegExp(pattern).exec(text)?.[0] ?? "");
  add("string.findAll(string): list", (text: string, pattern: string) => text.match(new RegExp(pattern, "g")) ?? []);
  add("string.replace(string, string): string", (text: string, from: string, to: string) => text.replaceAll(from, to));
  add("string.charAt(int): string", (text: string, at: bigint) => [...text][Number(at)] ?? "");
  add("isIP(string): bool", (text: string) => isIP(text) !== 0);
  add("isCIDR(string): bool", isCidr);
  add("isURL(string): bool", (text: string) => URL.canParse(text));
  add("isQuantity(string): bool", (text: string) => quantity(text) !== undefined);
  return env;
}

function isCidr(text: string): boolean {
  const [address, bits, ...rest] = text.split("/");
  const family = isIP(address ?? "");
  if (rest.length > 0 || family === 0 || !/^\d{1,3}$/.test(bits ?? "")) return false;
  return Number(bits) <= (family === 4 ? 32 : 128);
}

function quantity(text: string): string | undefined {
  return /^[+-]?(\d+(\.\d*)?|\.\d+)(([KMGTPE]i)|[numkMGTPE]|[eE][+-]?\d+)?$/.exec(text)?.[0];
}

// Math.min and Math.max refuse bigint.
const smaller = (a: bigint, b: bigint): bigint => [a, b].sort((x, y) => Number(x - y))[0]!;
const larger = (a: bigint, b: bigint): bigint => [a, b].sort((x, y) => Number(y - x))[0]!;
