import type { Duration } from "#proto/google/protobuf/duration";

export function durationMessage(ms: number): Duration {
  const seconds = Math.floor(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1e6) };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_MS = Number.MAX_SAFE_INTEGER;

/**
 * Reads the durations of `timeout.linkerd.io`, `retry.linkerd.io` and `balancer.linkerd.io` annotations: one whole
 * number and one unit (ms, s, m, h, d), or a bare 0. Undefined for anything else.
 */
export function parseSingleUnitMs(text: string): number | undefined {
  const match = /^(\d+)(ms|s|m|h|d)?$/.exec(text.trim());
  if (!match) return undefined;
  const count = Number(match[1]);
  if (match[2] === undefined) return count === 0 ? 0 : undefined;
  const ms = count * (UNIT_MS[match[2]] ?? 1);
  return ms <= MAX_MS ? ms : undefined;
}
