import { expect, test } from "bun:test";
import { setPath, splitAssignments } from "./set-syntax.ts";

const cases: [string, { path: (string | number)[]; value: string | string[] }[]][] = [
  ["a=b", [{ path: ["a"], value: "b" }]],
  [
    "a.b=c,d=e",
    [
      { path: ["a", "b"], value: "c" },
      { path: ["d"], value: "e" },
    ],
  ],
  ["list[1].x=y", [{ path: ["list", 1, "x"], value: "y" }]],
  ["a={1,2}", [{ path: ["a"], value: ["1", "2"] }]],
  ["a={}", [{ path: ["a"], value: [] }]],
  ["a=1\\,2", [{ path: ["a"], value: "1,2" }]],
  ["node\\.kubernetes\\.io/os=linux", [{ path: ["node.kubernetes.io/os"], value: "linux" }]],
  ["a=b=c", [{ path: ["a"], value: "b=c" }]],
  ["a=", [{ path: ["a"], value: "" }]],
  ["a=b,", [{ path: ["a"], value: "b" }]],
];

for (const [text, expected] of cases) {
  test(`--set ${text} is read`, () => expect(splitAssignments(text)).toEqual(expected));
}

test("an assignment without a value, without a key or with a huge index is refused", () => {
  expect(() => splitAssignments("proxy.logLevel")).toThrow("has no value");
  expect(() => splitAssignments("=x")).toThrow("is not a key");
  expect(() => splitAssignments("a..b=x")).toThrow("is not a key");
  expect(() => splitAssignments("a[9999999]=x")).toThrow("index 9999999 is above");
});

test("a path makes maps and lists on its way and fills gaps with null", () => {
  expect(setPath({ a: { kept: 1 } }, ["a", "list", 1, "x"], "y")).toEqual({ a: { kept: 1, list: [null, { x: "y" }] } });
});
