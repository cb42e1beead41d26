import { expect, test } from "bun:test";
import { expand } from "./expansion.ts";

test("known names are replaced, unknown ones stay, a doubled dollar escapes", () => {
  const known = new Map([
    ["A", "1"],
    ["B_C", "two"],
  ]);
  expect(expand("$(A)-$(B_C)-$(NO)-$$(A)-$A-$", known)).toBe("1-two-$(NO)-$(A)-$A-$");
});
