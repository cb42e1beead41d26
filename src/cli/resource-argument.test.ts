import { expect, test } from "bun:test";
import { parseResources } from "./resource-argument.ts";

test("types and names are read in every form", () => {
  expect(parseResources(["deploy"])).toEqual([{ kind: "deployment", name: "" }]);
  expect(parseResources(["po", "a", "b"])).toEqual([
    { kind: "pod", name: "a" },
    { kind: "pod", name: "b" },
  ]);
  expect(parseResources(["deploy/web", "svc/web"])).toEqual([
    { kind: "deployment", name: "web" },
    { kind: "service", name: "web" },
  ]);
  expect(parseResources(["all"])).toEqual([{ kind: "all", name: "" }]);
});

test("what cannot be meant is refused in Linkerd's words", () => {
  expect(() => parseResources(["ts/x"])).toThrow("cannot find Kubernetes canonical name from friendly name [ts]");
  expect(() => parseResources(["po/a/b"])).toThrow("Invalid resource string: po/a/b");
  expect(() => parseResources(["po/a", "po/a"])).toThrow("cannot supply duplicate resources");
  expect(() => parseResources(["all", "po/a"])).toThrow("'all' can't be supplied alongside other resources");
});
