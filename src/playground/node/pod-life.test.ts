import { expect, test } from "bun:test";
import { type ContainerRecord, type ContainerRole, newRecord } from "./container-record.ts";
import { advance, type PodView, toStart, toStop, verdict } from "./pod-life.ts";

function record(name: string, role: ContainerRole, change: Partial<ContainerRecord> = {}): ContainerRecord {
  return Object.assign(newRecord({ name }, role), change);
}
const ended = (exitCode: number): Partial<ContainerRecord> => ({
  state: "terminated",
  ended: { exitCode, reason: "", message: "", startedAt: "", finishedAt: "" },
});
function view(records: ContainerRecord[], more: Partial<PodView> = {}): PodView {
  return { records, restartPolicy: "Never", isDeleted: false, isPrepared: true, ...more };
}
const names = (records: readonly ContainerRecord[]): string[] => records.map((one) => one.spec.name);

test("init containers come one by one, and a sidecar only has to have started", () => {
  const init = record("init", "init");
  const sidecar = record("sidecar", "sidecar");
  const main = record("main", "main");
  const pod = view([init, sidecar, main]);
  expect(advance("preparing", pod)).toBe("initializing");
  expect(names(toStart("initializing", pod))).toEqual(["init"]);
  Object.assign(init, ended(0));
  expect(names(toStart("initializing", pod))).toEqual(["sidecar"]);
  Object.assign(sidecar, { state: "running" });
  expect(advance("initializing", pod)).toBe("initializing");
  sidecar.isStarted = true;
  expect(advance("initializing", pod)).toBe("running");
  expect(names(toStart("running", pod))).toEqual(["main"]);
});

test("sidecars are started again while the pod lives and ended last, in reverse", () => {
  const one = record("one", "sidecar", { state: "running", isStarted: true });
  const two = record("two", "sidecar", { state: "waiting" });
  const main = record("main", "main", { state: "running" });
  const pod = view([one, two, main]);
  expect(names(toStart("running", pod))).toEqual(["two"]);
  two.state = "running";
  Object.assign(main, ended(0));
  expect(advance("running", pod)).toBe("finishing");
  expect(names(toStop("finishing", pod))).toEqual(["two"]);
  Object.assign(two, ended(0));
  expect(names(toStop("finishing", pod))).toEqual(["one"]);
  Object.assign(one, ended(1));
  expect(advance("finishing", pod)).toBe("ended");
  expect(verdict(pod)).toBe("Succeeded"); // a sidecar's exit code does not count
});

test("a lost init container fails the pod when nothing may restart it", () => {
  const pod = view([record("init", "init", ended(1)), record("main", "main")]);
  expect(advance("initializing", pod)).toBe("ended");
  expect(verdict(pod)).toBe("Failed");
  expect(advance("initializing", { ...pod, restartPolicy: "Always" })).toBe("initializing");
});

test("a deleted pod ends its main containers first", () => {
  const pod = view([record("side", "sidecar", { state: "running" }), record("main", "main", { state: "running" })], {
    isDeleted: true,
    restartPolicy: "Always",
  });
  expect(advance("running", pod)).toBe("stopping");
  expect(names(toStop("stopping", pod))).toEqual(["main"]);
  expect(toStart("stopping", pod)).toEqual([]);
});
