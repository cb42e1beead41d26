import { expect, test } from "bun:test";
import { BoundedLabel } from "./bounded-label.ts";

test("values beyond the limit share the empty one, those before keep theirs", () => {
  const label = new BoundedLabel(2);
  expect(["a", "b", "c", "a", "d", "b"].map((value) => label.of(value))).toEqual(["a", "b", "", "a", "", "b"]);
});
