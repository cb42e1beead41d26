/** A pod's status as clients read it, computed from the records. Pure. */
import type { Pod } from "#kube/types";
import { NODE_ADDRESS } from "./addresses.ts";
import type { ContainerRecord, Ended } from "./container-record.ts";
import { type PodView, type Stage, verdict } from "./pod-life.ts";

type Status = NonNullable<Pod["status"]>;
type Condition = NonNullable<Status["conditions"]>[number];
type ContainerStatus = NonNullable<Status["containerStatuses"]>[number];

export interface StatusInput {
  readonly pod: Pod;
  readonly view: PodView;
  readonly stage: Stage;
  readonly podIp: string | undefined;
  readonly startTime: string;
  readonly now: string;
  /** Why the pod cannot be prepared (a volume's object is missing); shown on its containers. */
  readonly trouble: { readonly reason: string; readonly message: string } | undefined;
}

export function statusOf(input: StatusInput): Status {
  const { pod, view, podIp } = input;
  const previous: Status = pod.status ?? {};
  const ofRole = (isMain: boolean): ContainerStatus[] =>
    view.records.filter((r) => (r.role === "main") === isMain).map((record) => containerStatus(record, input));
  const inits = ofRole(false);
  return {
    ...previous,
    phase: phaseOf(input),
    startTime: input.startTime,
    hostIP: NODE_ADDRESS,
    hostIPs: [{ ip: NODE_ADDRESS }],
    ...(podIp ? { podIP: podIp, podIPs: [{ ip: podIp }] } : {}),
    qosClass: previous.qosClass ?? "BestEffort",
    conditions: conditionsOf(input, previous.conditions ?? []),
    ...(inits.length > 0 ? { initContainerStatuses: inits } : {}),
    containerStatuses: ofRole(true),
  } as Status;
}

function phaseOf({ stage, view }: StatusInput): string {
  const mains = view.records.filter((record) => record.role === "main");
  if (stage === "ended" && !view.isDeleted) return verdict(view);
  if (stage === "ended" && mains.every((record) => record.ended)) return verdict(view);
  return mains.some((record) => record.state !== "waiting" || record.ended) ? "Running" : "Pending";
}

function containerStatus(record: ContainerRecord, input: StatusInput): ContainerStatus {
  return {
    name: record.spec.name,
    image: record.spec.image ?? "",
    imageID: record.containerId ? `playground://${record.spec.image}` : "",
    ...(record.containerId ? { containerID: `playground://${record.containerId}` } : {}),
    ready: record.role === "init" ? record.ended?.exitCode === 0 && record.state === "terminated" : record.isReady,
    started: record.state === "running" && record.isStarted,
    restartCount: record.restarts,
    state: stateOf(record, input),
    lastState: record.previousEnded ? { terminated: terminated(record, record.previousEnded) } : {},
  } as ContainerStatus;
}

function stateOf(record: ContainerRecord, input: StatusInput): ContainerStatus["state"] {
  if (record.state === "running") return { running: { startedAt: record.startedAt } };
  if (record.state === "terminated" && record.ended) return { terminated: terminated(record, record.ended) };
  const isHeldUp = record.role === "main" && input.stage === "initializing";
  const reason = input.trouble?.reason ?? (isHeldUp ? "PodInitializing" : record.waitingReason);
  const message = input.trouble?.message ?? record.waitingMessage;
  return { waiting: { reason, ...(message ? { message } : {}) } };
}

function terminated(
  record: ContainerRecord,
  ended: Ended,
): NonNullable<NonNullable<ContainerStatus["state"]>["terminated"]> {
  return {
    exitCode: ended.exitCode,
    ...(ended.signal ? { signal: ended.signal } : {}),
    reason: ended.reason,
    ...(ended.message ? { message: ended.message } : {}),
    startedAt: ended.startedAt,
    finishedAt: ended.finishedAt,
    containerID: `playground://${record.containerId}`,
  };
}

function conditionsOf(input: StatusInput, previous: readonly Condition[]): Condition[] {
  const { view, stage, pod } = input;
  const isInitialized = stage !== "preparing" && stage !== "initializing";
  const needed = view.records.filter((record) => record.role !== "init");
  const unready = needed.filter((record) => !record.isReady).map((record) => record.spec.name);
  const isOver = stage === "ended" && !view.isDeleted && verdict(view) === "Succeeded";
  const containersReady = isInitialized && unready.length === 0;
  const gatesPass = (pod.spec?.readinessGates ?? []).every(
    (gate) => previous.find((condition) => condition.type === gate.conditionType)?.status === "True",
  );
  const why = isOver
    ? { reason: "PodCompleted" }
    : { reason: "ContainersNotReady", message: `containers with unready status: [${unready.join(" ")}]` };
  const own: [string, boolean, { reason?: string; message?: string }][] = [
    ["PodReadyToStartContainers", input.podIp !== undefined, {}],
    ["Initialized", isInitialized, { reason: isOver ? "PodCompleted" : "ContainersNotInitialized" }],
    ["Ready", containersReady && gatesPass, containersReady ? { reason: "ReadinessGatesNotReady" } : why],
    ["ContainersReady", containersReady, why],
    ["PodScheduled", true, {}],
  ];
  const made = own.map(([type, isTrue, otherwise]) => condition(type, isTrue, otherwise, previous, input.now));
  return [...made, ...previous.filter((old) => !own.some(([type]) => type === old.type))];
}

function condition(
  type: string,
  isTrue: boolean,
  otherwise: { reason?: string; message?: string },
  previous: readonly Condition[],
  now: string,
): Condition {
  const status = isTrue ? "True" : "False";
  const old = previous.find((candidate) => candidate.type === type);
  const lastTransitionTime = old?.status === status && old.lastTransitionTime ? old.lastTransitionTime : now;
  return { type, status, lastTransitionTime, ...(isTrue ? {} : otherwise) } as Condition;
}
