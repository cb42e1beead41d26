import { expect, test } from "bun:test";
import { ReceiveWindow } from "./receive-window.ts";

test("a connection's window is never below the protocol's default", () => {
  const window = new ReceiveWindow(1000);
  expect(window.firstIncrement).toBe(0);
  expect(window.take(65_535)).toBe(true);
  expect(window.take(1)).toBe(false);
});

test("credit goes back in quarters of the window, and none is lost", () => {
  const window = new ReceiveWindow(100_000);
  expect(window.firstIncrement).toBe(34_465);
  expect(window.take(100_000)).toBe(true);
  expect(window.giveBack(24_999)).toBe(0);
  expect(window.giveBack(1)).toBe(25_000);
  expect(window.giveBack(75_000)).toBe(75_000);
  expect(window.take(100_000)).toBe(true);
  expect(window.take(1)).toBe(false);
});
