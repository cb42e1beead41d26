import { expect, test } from "bun:test";
import { StreamTable } from "./stream-table.ts";

test("a server takes odd ids that rise, and no other", () => {
  const table = new StreamTable(true);
  table.sawId(5);
  expect([3, 5, 6, 7].map((id) => table.isNew(id))).toEqual([false, false, false, true]);
  expect(table.lastPeerId).toBe(5);
});

test("a client's ids are 1, 3, 5; its peer may open none", () => {
  const table = new StreamTable(false);
  expect([table.takeId(), table.takeId(), table.takeId()]).toEqual([1, 3, 5]);
  expect(table.isNew(7)).toBe(false);
  expect([5, 7, 8].map((id) => table.isIdle(id))).toEqual([false, true, true]);
});

test("ids that ended and ids that we reset are told apart", () => {
  const table = new StreamTable(true);
  table.noteEnded(1);
  table.noteReset(3);
  expect([table.hasEnded(1), table.hasEnded(3)]).toEqual([true, false]);
  expect([table.wasResetByUs(1), table.wasResetByUs(3)]).toEqual([false, true]);
});
