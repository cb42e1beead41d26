/** The arithmetic of a rolling update. Pure. */

/** Counts of one ReplicaSet. */
export interface SetCounts {
  readonly name: string;
  /** What its spec asks for. */
  readonly replicas: number;
  readonly available: number;
  /** Pods that exist. */
  readonly actual: number;
}

export interface RolloutInput {
  readonly replicas: number;
  /** `25%` or a number, as in the Deployment. */
  readonly maxSurge: number | string;
  readonly maxUnavailable: number | string;
  readonly isRecreate: boolean;
  readonly newest: SetCounts;
  /** Older sets, oldest first. */
  readonly old: readonly SetCounts[];
}

/** The numbers that the sets should ask for next: only those that change. */
export function nextScales(input: RolloutInput): Map<string, number> {
  return input.isRecreate ? recreate(input) : rollingUpdate(input);
}

function recreate({ replicas, newest, old }: RolloutInput): Map<string, number> {
  const scales = new Map<string, number>();
  for (const set of old) if (set.replicas > 0) scales.set(set.name, 0);
  const isCleared = old.every((set) => set.actual === 0 && set.replicas === 0);
  if (isCleared && newest.replicas !== replicas) scales.set(newest.name, replicas);
  return scales;
}

function rollingUpdate(input: RolloutInput): Map<string, number> {
  const { replicas, newest, old } = input;
  const { surge, unavailable } = bounds(input);
  const scales = new Map<string, number>();
  if (newest.replicas > replicas) scales.set(newest.name, replicas);
  const total = newest.replicas + sum(old, (set) => set.replicas);
  const room = replicas + surge - total;
  const grow = Math.min(room, replicas - newest.replicas);
  if (grow > 0) scales.set(newest.name, newest.replicas + grow);
  const newestUnavailable = Math.max(0, newest.replicas - newest.available);
  let mayGo = total - (replicas - unavailable) - newestUnavailable;
  // Pods that serve nobody go first, oldest set first; then as many of the serving ones as may be missed.
  const left = old.map((set) => ({ ...set }));
  for (const set of left) {
    const unhealthy = Math.min(Math.max(mayGo, 0), Math.max(0, set.replicas - set.available));
    set.replicas -= unhealthy;
    mayGo -= unhealthy;
  }
  const availableNow = newest.available + sum(old, (set) => Math.min(set.available, set.replicas));
  let mayMiss = Math.min(mayGo, availableNow - (replicas - unavailable));
  for (const set of left) {
    const go = Math.min(Math.max(mayMiss, 0), set.replicas);
    set.replicas -= go;
    mayMiss -= go;
  }
  left.forEach((set, index) => {
    if (set.replicas !== old[index]!.replicas) scales.set(set.name, set.replicas);
  });
  return scales;
}

/** Percentages resolved: the surge rounds up, the unavailable down, and both cannot be zero. */
export function bounds(input: Pick<RolloutInput, "maxSurge" | "maxUnavailable" | "replicas">): {
  surge: number;
  unavailable: number;
} {
  const surge = share(input.maxSurge, input.replicas, Math.ceil);
  const unavailable = share(input.maxUnavailable, input.replicas, Math.floor);
  return surge === 0 && unavailable === 0
    ? { surge: 0, unavailable: 1 }
    : { surge, unavailable: Math.min(unavailable, input.replicas) };
}

function share(value: number | string, of: number, round: (n: number) => number): number {
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  return percent === undefined ? Number(value) || 0 : round((Number(percent) * of) / 100);
}

function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0);
}
