import { expect, test } from "bun:test";
import { parseSelector } from "./label-expression.ts";

const labels = { app: "web", tier: "front", "app.kubernetes.io/name": "x" };

const cases: [string, boolean][] = [
  ["", true],
  ["app=web", true],
  ["app==web,tier=front", true],
  ["app=web,tier=back", false],
  ["app!=web", false],
  ["missing!=x", true],
  ["app in (web, api)", true],
  ["app in (api)", false],
  ["app notin (api,db)", true],
  ["missing notin (a)", true],
  ["app", true],
  ["!app", false],
  ["!missing", true],
  ["app.kubernetes.io/name=x", true],
];

for (const [text, expected] of cases) {
  test(`"${text}" ${expected ? "selects" : "does not select"}`, () => {
    expect(parseSelector(text)(labels)).toBe(expected);
  });
}

for (const text of ["app=", "app in", "a=b=c", "=x", "app in (a"]) {
  test(`"${text}" ${text === "app=" ? "selects the empty value" : "is refused"}`, () => {
    if (text === "app=") expect(parseSelector(text)({ app: "" })).toBe(true);
    else expect(() => parseSelector(text)).toThrow("Cannot read the label requirement");
  });
}
