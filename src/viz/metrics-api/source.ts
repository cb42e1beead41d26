/**
 * What viz asks of a store of metrics. Two answer: the built-in store (`store.ts`), so that viz is useful at once, and
 * a Prometheus (`prometheus.ts`), for anything longer, larger or shared. Each question has one PromQL form.
 */
export type MatchOp = "=" | "!=" | "=~";

export interface Matcher {
  readonly label: string;
  readonly op: MatchOp;
  readonly value: string;
}

export interface Selection {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

/** One row of an answer: the labels that were grouped by (absent ones are empty), and the number. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface MetricsSource {
  /** How much counters grew within the window, summed per group. */
  increase(select: Selection, windowMs: number, by: readonly string[]): Promise<Sample[]>;
  /** The gauges' present values, summed per group. Series whose target is gone do not count. */
  current(select: Selection, by: readonly string[]): Promise<Sample[]>;
  /** A quantile (0..1) of a histogram's `_bucket` counters within the window, per group. */
  quantile(q: number, select: Selection, windowMs: number, by: readonly string[]): Promise<Sample[]>;
  /** Throws when the store cannot be asked; the message is for people. */
  check(): Promise<void>;
}

export function equal(label: string, value: string): Matcher {
  return { label, op: "=", value };
}

export function present(label: string): Matcher {
  return { label, op: "!=", value: "" };
}

/** PromQL of a selection: matchers sorted, values quoted. */
export function toPromQl({ metric, matchers }: Selection): string {
  const sorted = [...matchers].sort((a, b) => (a.label < b.label ? -1 : 1));
  return `${metric}{${sorted.map(({ label, op, value }) => `${label}${op}${JSON.stringify(value)}`).join(", ")}}`;
}

/**
 * The quantile of a distribution given as cumulative counts per upper bound, linear inside a bucket, as Prometheus'
 * histogram_quantile does. NaN when nothing was observed. The highest finite bound answers for what lies above it.
 */
export function quantileOf(q: number, buckets: readonly { readonly bound: number; readonly count: number }[]): number {
  const sorted = [...buckets].sort((a, b) => a.bound - b.bound);
  const total = sorted.at(-1)?.count ?? 0;
  if (total === 0) return Number.NaN;
  const rank = q * total;
  let below = { bound: 0, count: 0 };
  for (const bucket of sorted) {
    if (bucket.count >= rank) {
      if (bucket.bound === Number.POSITIVE_INFINITY) return below.bound;
      const inside = bucket.count - below.count;
      return inside === 0 ? bucket.bound : below.bound + ((bucket.bound - below.bound) * (rank - below.count)) / inside;
    }
    below = bucket;
  }
  return below.bound;
}
