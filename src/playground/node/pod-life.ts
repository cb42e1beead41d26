/**
 * A pod's life as a table. Pure: it looks at the containers' records and says which stage follows and which containers
 * to start or stop; the worker does it and asks again after every event.
 *
 *   preparing ──▶ initializing ──▶ running ──▶ finishing ──▶ ended
 *       │              │             │            ▲
 *       │              └─────────────┴─▶ stopping ┘
 *       └────────────────────────────────────────────▶ ended
 *
 * preparing     network and volumes are made
 * initializing  init containers, one after the other; a sidecar counts as done when it has started
 * running       the main containers, and sidecars, restarted as the policy says
 * stopping      the pod is deleted (or beyond saving): init and main containers are told to end
 * finishing     no main container is left: sidecars are told to end, the last started first
 * ended         no process is left
 */
import type { ContainerRecord } from "./container-record.ts";

export type Stage = "preparing" | "initializing" | "running" | "stopping" | "finishing" | "ended";

export interface PodView {
  readonly records: readonly ContainerRecord[];
  readonly restartPolicy: "Always" | "OnFailure" | "Never";
  readonly isDeleted: boolean;
  readonly isPrepared: boolean;
}

interface Row {
  readonly from: Stage;
  readonly to: Stage;
  readonly when: (pod: PodView) => boolean;
}

/** The first row that fits is taken. */
const TRANSITIONS: readonly Row[] = [
  { from: "preparing", to: "ended", when: (pod) => pod.isDeleted },
  { from: "preparing", to: "initializing", when: (pod) => pod.isPrepared },
  { from: "initializing", to: "stopping", when: (pod) => pod.isDeleted || isInitLost(pod) },
  { from: "initializing", to: "running", when: (pod) => nextInit(pod) === undefined },
  { from: "running", to: "stopping", when: (pod) => pod.isDeleted },
  { from: "running", to: "finishing", when: (pod) => mains(pod).every((record) => isFinal(record, pod)) },
  { from: "stopping", to: "finishing", when: (pod) => pod.records.every((r) => r.role === "sidecar" || !isLive(r)) },
  { from: "finishing", to: "ended", when: (pod) => pod.records.every((record) => !isLive(record)) },
];

/** The stage the pod is in now, given the one it was in. */
export function advance(stage: Stage, pod: PodView): Stage {
  for (;;) {
    const row = TRANSITIONS.find((candidate) => candidate.from === stage && candidate.when(pod));
    if (!row) return stage;
    stage = row.to;
  }
}

/** Containers that should be started in this stage, in order (those in back-off included). */
export function toStart(stage: Stage, pod: PodView): ContainerRecord[] {
  if (stage !== "initializing" && stage !== "running") return [];
  const upTo = stage === "initializing" ? nextInit(pod) : undefined;
  const started = pod.records.filter((r) => r.role !== "main" && (upTo === undefined || before(pod, r, upTo)));
  const wanted = [...started.filter((record) => record.role === "sidecar"), ...(upTo ? [upTo] : mains(pod))];
  return wanted.filter((record) => !isLive(record) && !isFinal(record, pod));
}

/** Containers that should be told to end in this stage. */
export function toStop(stage: Stage, pod: PodView): ContainerRecord[] {
  if (stage === "stopping") return pod.records.filter((record) => record.role !== "sidecar" && isLive(record));
  if (stage !== "finishing") return [];
  const lastSidecar = pod.records.findLast((record) => record.role === "sidecar" && isLive(record));
  return lastSidecar ? [lastSidecar] : [];
}

/** How the pod ended, once its main containers (or an init container) have. */
export function verdict(pod: PodView): "Succeeded" | "Failed" {
  const judged = pod.records.filter((record) => record.role !== "sidecar");
  return judged.every((record) => record.ended?.exitCode === 0) ? "Succeeded" : "Failed";
}

/** True when the container has run its last: nothing of the policy starts it again. */
export function isFinal(record: ContainerRecord, pod: Pick<PodView, "restartPolicy">): boolean {
  if (record.state !== "terminated") return false;
  if (record.role === "sidecar") return false;
  if (record.role === "init") return record.ended?.exitCode === 0 || pod.restartPolicy === "Never";
  if (pod.restartPolicy === "Always") return false;
  return pod.restartPolicy === "Never" || record.ended?.exitCode === 0;
}

function isLive(record: ContainerRecord): boolean {
  return record.state === "running";
}

function mains(pod: PodView): ContainerRecord[] {
  return pod.records.filter((record) => record.role === "main");
}

/** The init container whose turn it is; undefined when all are through. */
function nextInit(pod: PodView): ContainerRecord | undefined {
  return pod.records.find((record) => {
    if (record.role === "main") return false;
    return record.role === "sidecar"
      ? !record.isStarted
      : record.ended?.exitCode !== 0 || record.state !== "terminated";
  });
}

function isInitLost(pod: PodView): boolean {
  return pod.records.some((record) => record.role === "init" && isFinal(record, pod) && record.ended?.exitCode !== 0);
}

function before(pod: PodView, record: ContainerRecord, other: ContainerRecord): boolean {
  return pod.records.indexOf(record) < pod.records.indexOf(other);
}
