import { expect, test } from "bun:test";
import { durationText } from "./age.ts";
import { readJsonPath } from "./json-path.ts";
import { podCells } from "./pod.ts";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [0, "0s"],
  [119, "119s"],
  [120, "2m"],
  [125, "2m5s"],
  [10 * MINUTE + 5, "10m"],
  [3 * HOUR, "3h"],
  [3 * HOUR + 5 * MINUTE, "3h5m"],
  [9 * HOUR + 5 * MINUTE, "9h"],
  [5 * DAY + 12 * HOUR, "5d12h"],
  [30 * DAY, "30d"],
  [2 * 365 * DAY, "2y"],
  [-5, "<invalid>"],
])("%p seconds are %p", (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test("`readJsonPath()` walks fields, indexes, wildcards, filters and quoted names", () => {
  const object = {
    a: [
      { t: "x", v: 1 },
      { t: "y", v: 2 },
    ],
    "m.n": { o: 3 },
  };
  expect(readJsonPath(object, ".a[1].v")).toEqual([2]);
  expect(readJsonPath(object, ".a[*].v")).toEqual([1, 2]);
  expect(readJsonPath(object, '.a[?(@.t=="y")].v')).toEqual([2]);
  expect(readJsonPath(object, ".m\\.n.o")).toEqual([3]);
  expect(readJsonPath(object, ".['m.n'].o")).toEqual([3]);
  expect([readJsonPath(object, ".none.x"), readJsonPath(object, "]["), readJsonPath(object, ".constructor")]).toEqual([
    [],
    [],
    [],
  ]);
});

const pod = (status: object, more: object = {}) => ({
  metadata: { name: "p", ...more },
  spec: { containers: [{ name: "a" }, { name: "b" }], initContainers: [{ name: "i" }] },
  status,
});
const running = { ready: true, state: { running: {} } };
const done = { name: "i", state: { terminated: { exitCode: 0 } } };

test.each([
  [pod({ phase: "Pending" }), "0/2", "Pending"],
  [pod({ phase: "Pending", initContainerStatuses: [{ name: "i", state: { running: {} } }] }), "0/2", "Init:0/1"],
  [
    pod({
      phase: "Pending",
      initContainerStatuses: [{ name: "i", state: { terminated: { exitCode: 1, reason: "Error" } } }],
    }),
    "0/2",
    "Init:Error",
  ],
  [pod({ phase: "Running", initContainerStatuses: [done], containerStatuses: [running, running] }), "2/2", "Running"],
  [
    pod({ phase: "Running", containerStatuses: [running, { state: { waiting: { reason: "CrashLoopBackOff" } } }] }),
    "1/2",
    "CrashLoopBackOff",
  ],
  [
    pod({ phase: "Succeeded", containerStatuses: [{ state: { terminated: { reason: "Completed", exitCode: 0 } } }] }),
    "0/2",
    "Completed",
  ],
  [
    pod({ phase: "Running", containerStatuses: [running, running] }, { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    "2/2",
    "Terminating",
  ],
] as const)("a pod's cells %#", (object, ready, status) => {
  const cells = podCells(object as never);
  expect([cells.ready, cells.status]).toEqual([ready, status]);
});
