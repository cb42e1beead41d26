/** `grpc-timeout` in milliseconds; undefined when it is malformed: one to eight digits and a unit are wanted. */
export function parseTimeout(text: string): number | undefined {
  const match = TIMEOUT.exec(text);
  return match === null ? undefined : Number(match[1]) * UNIT_MS[match[2]];
}

/** A timeout in the finest of milliseconds, seconds, minutes and hours that eight digits hold, rounded up. */
export function formatTimeout(timeoutMs: number): string {
  for (const unit of ["m", "S", "M"]) {
    const count = Math.ceil(timeoutMs / UNIT_MS[unit]);
    if (count <= MAX_COUNT) return `${Math.max(count, 0)}${unit}`;
  }
  return `${Math.min(Math.ceil(timeoutMs / UNIT_MS.H), MAX_COUNT)}H`;
}

const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const MAX_COUNT = 99_999_999;
const UNIT_MS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
