const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export interface Parsed<T> {
  readonly value: T | undefined;
  /** What was wrong and what was wanted; undefined when `value` is set. */
  readonly error: string | undefined;
}

/**
 * Reads `250ms`, `30s`, `1m30s`, `1.5h`, `0`: one or more numbers with the units ms, s, m, h, d, largest first or not.
 * (Linkerd's proxy takes a single integer and unit; Go's tools take sums. Both are read here.)
 */
export function parseDuration(text: string): Parsed<number> {
  const trimmed = text.trim();
  if (trimmed === "0") return { value: 0, error: undefined };
  const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/y;
  let totalMs = 0;
  while (part.lastIndex < trimmed.length) {
    const match = part.exec(trimmed);
    if (!match) return wrong(text);
    totalMs += Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  }
  return trimmed === "" ? wrong(text) : { value: totalMs, error: undefined };
}

function wrong(text: string): Parsed<number> {
  return {
    value: undefined,
    error: `Cannot parse duration "${text}": wanted numbers with the units ms, s, m, h or d, like 30s or 1m30s`,
  };
}
