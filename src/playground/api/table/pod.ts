import type { KubeObject } from "../../store/object.ts";

type Fields = Record<string, unknown>;

interface ContainerStatus {
  name?: string;
  ready?: boolean;
  started?: boolean;
  restartCount?: number;
  state?: { waiting?: Fields; running?: Fields; terminated?: Fields };
  lastState?: { terminated?: Fields };
}

export interface PodCells {
  /** `1/2`. */
  readonly ready: string;
  /** The word kubectl shows: a phase, or the reason that tells more. */
  readonly status: string;
  readonly restartCount: number;
  /** RFC 3339 of the latest restart. */
  readonly lastRestart: string | undefined;
}

/** What kubectl's table says of a pod, worked out from its containers' states. */
export function podCells(pod: KubeObject): PodCells {
  const status = (pod["status"] ?? {}) as Fields;
  const spec = (pod["spec"] ?? {}) as Fields;
  const containers = states(status["containerStatuses"]);
  const inits = states(status["initContainerStatuses"]);
  const sidecars = sidecarNames(spec);
  const isSidecar = (state: ContainerStatus) => sidecars.has(state.name ?? "");
  const total = ((spec["containers"] ?? []) as unknown[]).length + sidecars.size;
  const readyCount =
    containers.filter((c) => c.ready && c.state?.running).length + inits.filter((c) => isSidecar(c) && c.ready).length;
  const starting = initReason(inits, isSidecar, ((spec["initContainers"] ?? []) as unknown[]).length);
  const counted = [...containers, ...inits.filter(isSidecar), ...(starting ? inits.filter((c) => !isSidecar(c)) : [])];
  return {
    ready: `${readyCount}/${total}`,
    status: word(pod, status, containers, starting),
    restartCount: counted.reduce((sum, c) => sum + (c.restartCount ?? 0), 0),
    lastRestart: counted
      .map((c) => c.lastState?.terminated?.["finishedAt"] as string | undefined)
      .filter((at): at is string => at !== undefined)
      .sort()
      .at(-1),
  };
}

function word(pod: KubeObject, status: Fields, containers: ContainerStatus[], starting: string | undefined): string {
  if (pod.metadata.deletionTimestamp) return status["reason"] === "NodeLost" ? "Unknown" : "Terminating";
  if (starting) return starting;
  let reason = String(status["reason"] ?? status["phase"] ?? "Unknown");
  let isRunning = false;
  for (const container of [...containers].reverse()) {
    const { waiting, terminated, running } = container.state ?? {};
    if (waiting?.["reason"]) reason = String(waiting["reason"]);
    else if (terminated) reason = terminatedReason(terminated);
    else if (container.ready && running) isRunning = true;
  }
  if (reason === "Completed" && isRunning) return hasCondition(status, "Ready") ? "Running" : "NotReady";
  return reason;
}

/** `Init:0/2` and its relatives while init containers are not done. */
function initReason(
  inits: ContainerStatus[],
  isSidecar: (state: ContainerStatus) => boolean,
  total: number,
): string | undefined {
  for (const [i, init] of inits.entries()) {
    const { waiting, terminated } = init.state ?? {};
    if (terminated?.["exitCode"] === 0) continue;
    if (isSidecar(init) && init.started) continue;
    if (terminated) return `Init:${terminatedReason(terminated)}`;
    if (waiting?.["reason"] && waiting["reason"] !== "PodInitializing") return `Init:${String(waiting["reason"])}`;
    return `Init:${i}/${total}`;
  }
  return undefined;
}

function terminatedReason(terminated: Fields): string {
  if (terminated["reason"]) return String(terminated["reason"]);
  return terminated["signal"] ? `Signal:${String(terminated["signal"])}` : `ExitCode:${String(terminated["exitCode"])}`;
}

function hasCondition(status: Fields, type: string): boolean {
  return ((status["conditions"] ?? []) as Fields[]).some((c) => c["type"] === type && c["status"] === "True");
}

/** Init containers that keep running beside the others. */
function sidecarNames(spec: Fields): Set<string> {
  const inits = (spec["initContainers"] ?? []) as Fields[];
  return new Set(inits.filter((c) => c["restartPolicy"] === "Always").map((c) => String(c["name"])));
}

function states(value: unknown): ContainerStatus[] {
  return Array.isArray(value) ? (value as ContainerStatus[]) : [];
}
