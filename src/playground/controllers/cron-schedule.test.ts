import { expect, test } from "bun:test";
import { parseCron } from "./cron-schedule.ts";

const at = (text: string): number => Date.parse(text);
const next = (schedule: string, after: string): string => new Date(parseCron(schedule)!.next(at(after))!).toISOString();

test("the next instant follows the five fields", () => {
  expect(next("* * * * *", "2026-01-01T00:00:30Z")).toBe("2026-01-01T00:01:00.000Z");
  expect(next("*/15 3 * * *", "2026-01-01T03:46:00Z")).toBe("2026-01-02T03:00:00.000Z");
  expect(next("0 0 29 2 *", "2026-01-01T00:00:00Z")).toBe("2028-02-29T00:00:00.000Z");
  expect(next("30 9 * jan mon-fri", "2026-01-02T10:00:00Z")).toBe("2026-01-05T09:30:00.000Z");
  expect(next("0 12 1 * sun", "2026-01-01T12:00:00Z")).toBe("2026-01-04T12:00:00.000Z"); // either day fits
  expect(next("@daily", "2026-01-01T00:00:00Z")).toBe("2026-01-02T00:00:00.000Z");
});

test("what is not a schedule is refused", () => {
  for (const text of [
    "",
    "* * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "a * * * *",
    "*/0 * * * *",
    "5-1 * * * *",
  ])
    expect(parseCron(text)).toBeUndefined();
});

test("a day that never comes gives nothing", () => {
  expect(parseCron("0 0 31 2 *")!.next(0)).toBeUndefined();
});
