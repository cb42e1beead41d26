import { expect, test } from "bun:test";
import { logLevel } from "./program.ts";

test.each([
  ["info", "info"],
  ["WARNING", "warn"],
  ["panic", "error"],
  ["linkerd=debug,warn", "debug"],
  ["warn,kube=error", "warn"],
  ["nonsense", "info"],
])("log level %p is read as %p", (text, level) => {
  expect(logLevel(text)).toBe(level as ReturnType<typeof logLevel>);
});
