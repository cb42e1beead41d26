import { expect, test } from "bun:test";
import { formatSelector, selectorMatches } from "#kube/types";
import { StatusError } from "../store/status.ts";
import { parseFieldSelector, parseLabelSelector } from "./selectors.ts";

const labels = { app: "web", tier: "front", "example.com/x": "1" };

test.each([
  ["app=web", true],
  ["app==web,tier!=back", true],
  ["app!=web", false],
  ["none!=web", true],
  ["app in (web, db)", true],
  ["app notin (web)", false],
  ["none notin (web)", true],
  ["example.com/x", true],
  ["!example.com/x", false],
  ["!none,app", true],
  ["app in (a,b),tier", false],
] as const)("label selector %p is %p", (text, expected) => {
  expect(parseLabelSelector(text)!(labels)).toBe(expected);
});

test("an empty selector is none, a malformed one is refused", () => {
  expect(parseLabelSelector("")).toBeUndefined();
  for (const text of ["=", "a=b=c", "a in", "a in b", "a in (b", "-a=b", "a b"])
    expect(() => parseLabelSelector(text)).toThrow(StatusError);
});

test("field selectors read any dotted path; what is absent is empty", () => {
  const object = { metadata: { name: "a" }, spec: { nodeName: "n1", on: true } };
  expect(parseFieldSelector("metadata.name=a,spec.nodeName==n1")!(object)).toBe(true);
  expect(parseFieldSelector("spec.on=true,status.phase!=Running,status.phase=")!(object)).toBe(true);
  expect(parseFieldSelector("spec.nodeName!=n1")!(object)).toBe(false);
  expect(() => parseFieldSelector("what")).toThrow(StatusError);
});

test("selectors of objects: none selects nothing, an empty one everything", () => {
  expect([selectorMatches(undefined, labels), selectorMatches({}, undefined)]).toEqual([false, true]);
  const selector = {
    matchLabels: { app: "web" },
    matchExpressions: [{ key: "tier", operator: "In", values: ["front"] }],
  };
  expect([selectorMatches(selector, labels), selectorMatches(selector, { app: "web" })]).toEqual([true, false]);
  expect(formatSelector(selector)).toBe("app=web,tier in (front)");
});
