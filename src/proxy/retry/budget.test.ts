import { expect, test } from "bun:test";
import { RetryBudget } from "./budget.ts";

const withdrawn = (budget: RetryBudget, tries: number, nowMs: number) =>
  Array.from({ length: tries }, () => budget.withdraw(nowMs)).filter(Boolean).length;

test("a fifth of the requests may be retried, beside the reserve", () => {
  const budget = new RetryBudget({ ratio: 0.2, minRetriesPerSecond: 0, ttlMs: 10_000 }, 0);
  expect(withdrawn(budget, 5, 0)).toBe(0);
  for (let i = 0; i < 50; i++) budget.deposit(0);
  expect(withdrawn(budget, 50, 0)).toBe(10);
});

test("the reserve allows some retries without requests, and comes back with time", () => {
  const budget = new RetryBudget({ ratio: 0.2, minRetriesPerSecond: 1, ttlMs: 10_000 }, 0);
  expect(withdrawn(budget, 50, 0)).toBe(10);
  expect(withdrawn(budget, 50, 5_000)).toBe(0);
  expect(withdrawn(budget, 50, 10_000)).toBe(10);
});

test("what is outside the limits is no budget", () => {
  expect(RetryBudget.make({ ratio: -1, minRetriesPerSecond: 1, ttlMs: 10_000 }, 0)).toBeUndefined();
  expect(RetryBudget.make({ ratio: 0.2, minRetriesPerSecond: 1, ttlMs: 500 }, 0)).toBeUndefined();
});
