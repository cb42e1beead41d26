import { expect, test } from "bun:test";
import { builtinSchema } from "./builtin.ts";
import { celFindings, plainHas } from "./cel.ts";
import type { Schema } from "./schema.ts";
import { validateSchema } from "./validate.ts";
import { decodeMismatch, dropNulls, pruneUnknown, setDefaults } from "./walk.ts";

const messages = (value: unknown, schema: Schema) =>
  validateSchema(value, schema, "spec").map((cause) => `${cause.field}: ${cause.message}`);

test("unknown fields are removed and named with their path", () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a", odd: 1 },
    spec: { containers: [{ name: "c", imag: "x" }], nodeSelector: { any: "y" } },
  };
  expect(pruneUnknown(pod, builtinSchema("", "v1", "Pod"), true)).toEqual(["metadata.odd", "spec.containers[0].imag"]);
  expect(pod.spec.containers).toEqual([{ name: "c" }] as never);
});

test("preserved and embedded parts keep what a schema does not know", () => {
  const schema: Schema = {
    type: "object",
    properties: {
      open: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { shut: { type: "object" } } },
    },
  };
  const value = { open: { any: 1, shut: { x: 1 } } };
  expect(pruneUnknown(value, schema, false)).toEqual(["open.shut.x"]);
  expect(value).toEqual({ open: { any: 1, shut: {} as never } });
});

test("defaults fill gaps at any depth, nulls count as gaps unless allowed", () => {
  const schema: Schema = {
    type: "object",
    properties: {
      a: { type: "integer", default: 1 },
      b: { type: "string", nullable: true, default: "x" },
      list: { type: "array", items: { type: "object", properties: { c: { type: "string", default: "y" } } } },
    },
  };
  const value: Record<string, unknown> = { a: null, b: null, list: [{}, { c: "z" }] };
  dropNulls(value, schema);
  setDefaults(value, schema);
  expect(value).toEqual({ a: 1, b: null, list: [{ c: "y" }, { c: "z" }] });
});

test("validation speaks Kubernetes' words", () => {
  expect(messages("x", { type: "integer" })).toEqual([
    'spec: Invalid value: "string": spec in body must be of type integer: "string"',
  ]);
  expect(messages(1.5, { "x-kubernetes-int-or-string": true })).toEqual([
    'spec: Invalid value: "number": spec in body must be of type integer,string: "number"',
  ]);
  expect(messages({}, { type: "object", required: ["a"] })).toEqual(["spec.a: Required value"]);
  expect(messages("c", { type: "string", enum: ["a", "b"] })).toEqual([
    'spec: Unsupported value: "c": supported values: "a", "b"',
  ]);
  expect(messages("abc", { type: "string", maxLength: 2 })).toEqual(["spec: Too long: may not be more than 2 bytes"]);
  expect(messages([1, 2, 3], { type: "array", maxItems: 2 })).toEqual(["spec: Too many: 3: must have at most 2 items"]);
  expect(messages([1, 1], { type: "array", "x-kubernetes-list-type": "set" })).toEqual(["spec[1]: Duplicate value: 1"]);
  expect(messages(5, { anyOf: [{ minimum: 6 }, { maximum: 4 }] }).length).toBe(1);
  expect(messages(5, { oneOf: [{ minimum: 1 }, { minimum: 2 }] }).length).toBe(1);
  expect(messages(null, { type: "string", nullable: true })).toEqual([]);
});

test("built-in kinds are checked for JSON types as a typed decoder would", () => {
  const schema = builtinSchema("apps", "v1", "Deployment");
  expect(decodeMismatch({ spec: { replicas: "3" } }, schema, "")).toBe(
    "json: cannot unmarshal string into Go struct field spec.replicas of type int32",
  );
  expect(
    decodeMismatch({ spec: { template: { spec: { containers: [{ ports: [{ containerPort: 80 }] }] } } } }, schema, ""),
  ).toBeUndefined();
});

const rule = (text: string, more: object = {}): Schema => ({
  type: "object",
  properties: { a: { type: "integer" }, "b-c": { type: "string" } },
  "x-kubernetes-validations": [{ rule: text, ...more }],
});

test("CEL rules see integers, escaped names, and old values only where there are some", () => {
  expect(celFindings({ a: 7 }, undefined, rule("self.a / 2 == 3"))).toEqual([]);
  expect(celFindings({ "b-c": "x" }, undefined, rule("self.b__dash__c == 'x'"))).toEqual([]);
  expect(celFindings({ a: 1 }, undefined, rule("self.a == oldSelf.a"))).toEqual([]);
  expect(celFindings({ a: 1 }, { a: 2 }, rule("self.a == oldSelf.a", { message: "fixed" }))[0]!.message).toBe(
    'Invalid value: "object": fixed',
  );
  expect(
    celFindings({ a: 1 }, undefined, rule("self.a > 1", { messageExpression: "'got ' + string(self.a)" }))[0]!.message,
  ).toContain("got 1");
  expect(celFindings({}, undefined, rule("self.a > 1"))[0]!.message).toContain("rule evaluation error");
});

test("`plainHas()` rewrites has() on items and leaves texts and plain paths alone", () => {
  expect(plainHas("!has(self.m[0].path) && has(self.x)")).toBe("!(self.m[0].?path.hasValue()) && has(self.x)");
  expect(plainHas("self == 'has(a[0].b)'")).toBe("self == 'has(a[0].b)'");
});
