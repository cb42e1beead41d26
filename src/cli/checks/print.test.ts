import { expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import type { Io } from "../io.ts";
import type { CheckOutcome } from "./engine.ts";
import { CheckPrinter, printResults } from "./print.ts";

function io(isTerminal: boolean) {
  const printed = { out: "", err: "" };
  const streams: Io = {
    out: (text) => {
      printed.out += text;
    },
    err: (text) => {
      printed.err += text;
    },
    readStdin: async () => "",
    env: () => undefined,
    isTerminal,
    clock: new FakeClock(),
  };
  return { printed, streams };
}

const passed: CheckOutcome = {
  category: "a",
  id: "l5d-a",
  description: "works",
  result: "success",
  message: undefined,
  hint: undefined,
};
const warned: CheckOutcome = {
  category: "b",
  id: "l5d-b-old",
  description: "is old",
  result: "warning",
  message: "one\ntwo",
  hint: "URL",
};
const failed: CheckOutcome = {
  category: "b",
  id: "l5d-b-runs",
  description: "runs",
  result: "error",
  message: "no",
  hint: "URL2",
};

test("the table separates categories and indents what went wrong", () => {
  const { printed, streams } = io(false);
  printResults({ outcomes: [passed, warned, failed], isSuccess: false }, "table", streams);
  expect(printed.out).toBe(
    "a\n-\n√ works\n\nb\n-\n‼ is old\n    one\n    two\n    see URL for hints\n× runs\n    no\n    see URL2 for hints\n\nStatus check results are ×\n",
  );
});

test("JSON groups checks by category and leaves out what is empty", () => {
  const { printed, streams } = io(false);
  printResults({ outcomes: [passed, failed], isSuccess: false }, "json", streams);
  expect(JSON.parse(printed.out)).toEqual({
    success: false,
    categories: [
      { categoryName: "a", checks: [{ id: "l5d-a", description: "works", result: "success" }] },
      {
        categoryName: "b",
        checks: [{ id: "l5d-b-runs", description: "runs", hint: "URL2", error: "no", result: "error" }],
      },
    ],
  });
});

test("colour and the line of what is waited for appear on a terminal only", () => {
  for (const isTerminal of [true, false]) {
    const { printed, streams } = io(isTerminal);
    const printer = new CheckPrinter(streams, "table");
    printer.waitFor("pods are ready: not yet\nmore");
    printer.show(passed);
    expect(printed.err).toBe(isTerminal ? "\r\u001b[K… pods are ready: not yet\r\u001b[K" : "");
    expect(printed.out.includes("\u001b[32;1m√\u001b[0m works")).toBe(isTerminal);
  }
});
