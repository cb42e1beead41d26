import type { Container } from "#kube/types";
import { ContainerLog } from "./container-log.ts";
import type { ContainerProcess } from "./container-process.ts";

/** `init` runs to its end before the next; `sidecar` is an init container that stays (restartPolicy Always). */
export type ContainerRole = "init" | "sidecar" | "main";

export interface Ended {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason: string;
  readonly message: string;
  readonly startedAt: string;
  readonly finishedAt: string;
}

/** Everything the node knows about one container of a pod, across its runs. Owned and changed by the pod's worker. */
export interface ContainerRecord {
  readonly spec: Container;
  readonly role: ContainerRole;
  state: "waiting" | "running" | "terminated";
  /** Why it waits: ContainerCreating, PodInitializing, CrashLoopBackOff, ErrImagePull, CreateContainerConfigError. */
  waitingReason: string;
  waitingMessage: string;
  startedAt: string;
  startedAtMs: number;
  ended: Ended | undefined;
  previousEnded: Ended | undefined;
  /** The startup probe has passed and the postStart hook is through. */
  isStarted: boolean;
  isReady: boolean;
  restarts: number;
  /** Monotonic instant before which it is not started again. */
  mayStartAtMs: number;
  backoffMs: number;
  containerId: string;
  log: ContainerLog;
  previousLog: ContainerLog | undefined;
  process: ContainerProcess | undefined;
  isStopping: boolean;
}

export function newRecord(spec: Container, role: ContainerRole): ContainerRecord {
  return {
    spec,
    role,
    state: "waiting",
    waitingReason: "ContainerCreating",
    waitingMessage: "",
    startedAt: "",
    startedAtMs: 0,
    ended: undefined,
    previousEnded: undefined,
    isStarted: false,
    isReady: false,
    restarts: 0,
    mayStartAtMs: 0,
    backoffMs: 0,
    containerId: "",
    log: new ContainerLog(),
    previousLog: undefined,
    process: undefined,
    isStopping: false,
  };
}
