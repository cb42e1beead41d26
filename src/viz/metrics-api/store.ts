import type { Series } from "./series.ts";
import { type Matcher, type MetricsSource, quantileOf, type Sample, type Selection } from "./source.ts";
import { type Group, type SeriesBudget, Target, type TargetContext } from "./target.ts";
import { TextPool } from "./text-pool.ts";

/** Families that viz asks about; nothing else is kept. */
const KEPT: ReadonlySet<string> = new Set([
  "request_total",
  "response_total",
  "response_latency_ms_bucket",
  "route_request_total",
  "route_response_total",
  "route_actual_response_total",
  "route_response_latency_ms_bucket",
  "tcp_open_connections",
  "tcp_open_total",
  "tcp_close_total",
  "tcp_read_bytes_total",
  "tcp_write_bytes_total",
  "inbound_http_authz_allow_total",
  "inbound_http_authz_deny_total",
  "outbound_http_route_backend_response_statuses_total",
  "outbound_http_route_backend_response_duration_seconds_bucket",
  "outbound_http_route_request_statuses_total",
  "outbound_http_route_request_duration_seconds_bucket",
  "outbound_http_route_retry_requests_total",
  "outbound_grpc_route_backend_response_statuses_total",
  "outbound_grpc_route_backend_response_duration_seconds_bucket",
  "outbound_grpc_route_request_statuses_total",
  "outbound_grpc_route_request_duration_seconds_bucket",
  "outbound_grpc_route_retry_requests_total",
  "process_start_time_seconds",
  "gateway_alive",
  "gateway_probe_latency_ms_bucket",
]);

export interface StoreOptions {
  readonly wallMs: () => number;
  /** Samples older than this are forgotten. */
  readonly retentionMs: number;
  /** A target that was not read for this long is gone: its gauges no longer count. */
  readonly staleAfterMs: number;
  readonly maxSeries?: number;
  readonly maxTargets?: number;
}

/**
 * Limits. A series that changes keeps 576 bytes of points (72 of 8), a quiet one none; with itself and its share of labels
 * and text it is 0.9 KB: 27,300 series of 50 proxies, nine tenths of them changing, are 24 MB, and a full store is about
 * 180 MB. Beyond that a Prometheus is due.
 */
const MAX_SERIES = 200_000;
const MAX_TARGETS = 5_000; // 200,000 series are 40 for each of them; a proxy with traffic has some hundred
/** One for every reading of eleven minutes at the usual ten seconds, and some for readings that come early. */
const POINTS = 72;

/**
 * The built-in store: recent samples of every proxy in memory. Increases are exact sums of deltas, without Prometheus'
 * extrapolation: a counter that appeared while its target was watched counts from zero, and a reset counts from zero again.
 * A window begins at the last point before it; points are a seventieth of the retention apart, or further if readings are.
 */
export class MemoryStore implements MetricsSource {
  readonly #options: StoreOptions;
  readonly #startedAtMs: number;
  readonly #maxSeries: number;
  readonly #budget: SeriesBudget;
  readonly #context: TargetContext;
  readonly #targets = new Map<string, Target>(); // by name
  /** Readings turned away because there were too many targets. */
  droppedReadingCount = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#startedAtMs = options.wallMs();
    this.#maxSeries = options.maxSeries ?? MAX_SERIES;
    this.#budget = { left: this.#maxSeries, droppedCount: 0 };
    this.#context = {
      budget: this.#budget,
      texts: new TextPool(),
      wants: (name) => KEPT.has(name),
      pointCount: POINTS,
      spacingMs: options.retentionMs / (POINTS - 2), // below the usual interval, and the ring covers the retention
    };
  }

  get seriesCount(): number {
    return this.#maxSeries - this.#budget.left;
  }

  /** Samples turned away because the store was full. */
  get droppedCount(): number {
    return this.#budget.droppedCount;
  }

  /** Takes one reading of a target. `labels` are added to each sample (namespace, pod, deployment ...); the sample's own win. */
  ingest(name: string, text: string, labels: Readonly<Record<string, string>>): void {
    const known = this.#targets.get(name);
    if (!known && this.#targets.size >= (this.#options.maxTargets ?? MAX_TARGETS)) {
      this.droppedReadingCount++;
      return;
    }
    const target = known ?? new Target(labels, this.#context);
    this.#targets.set(name, target);
    const isWatched = known !== undefined || startedAtMs(text) >= this.#startedAtMs;
    target.read(text, labels, this.#options.wallMs(), isWatched);
  }

  /** Forgets what was not seen within the retention; call it now and then. */
  expire(): void {
    const horizonMs = this.#options.wallMs() - this.#options.retentionMs;
    for (const [name, target] of this.#targets) {
      target.expire(horizonMs);
      if (target.seenAtMs < horizonMs) this.#targets.delete(name);
    }
  }

  async increase(select: Selection, windowMs: number, by: readonly string[]): Promise<Sample[]> {
    const sinceMs = this.#options.wallMs() - windowMs;
    return this.#grouped(select, by, (target) => {
      const point = target.pointBefore(sinceMs);
      return (series) => (series.seenAtMs < sinceMs ? undefined : series.rise - series.riseAt(point));
    });
  }

  async current(select: Selection, by: readonly string[]): Promise<Sample[]> {
    const freshSinceMs = this.#options.wallMs() - this.#options.staleAfterMs;
    return this.#grouped(
      select,
      by,
      () =>
        ({ seenAtMs, last }) =>
          seenAtMs >= freshSinceMs ? last : undefined,
    );
  }

  async quantile(q: number, select: Selection, windowMs: number, by: readonly string[]): Promise<Sample[]> {
    const rows = await this.increase(select, windowMs, [...by, "le"]);
    const groups = new Map<string, { labels: Record<string, string>; buckets: { bound: number; count: number }[] }>();
    for (const { labels, value } of rows) {
      const { le = "", ...rest } = labels;
      const key = JSON.stringify(rest);
      const group = groups.get(key) ?? { labels: rest, buckets: [] };
      groups.set(key, group);
      group.buckets.push({ bound: le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le), count: value });
    }
    return [...groups.values()].map(({ labels, buckets }) => ({ labels, value: quantileOf(q, buckets) }));
  }

  async check(): Promise<void> {} // it is in this process: when we answer, it does

  /** Sums up what `measureOf` says of each series that is selected. Labels are looked at once for all buckets of a histogram. */
  #grouped(select: Selection, by: readonly string[], measureOf: (target: Target) => Measure): Sample[] {
    const rows = new Map<string, Row>();
    const boundMatchers = select.matchers.filter(({ label }) => label === BOUND);
    for (const target of this.#targets.values()) {
      const measure = measureOf(target);
      for (const group of target.family(select.metric)) {
        if (!select.matchers.every((matcher) => isGroupMatched(matcher, group))) continue;
        const row = rowFor(rows, by, group.labels);
        for (let index = 0; index < group.series.length; index++) {
          const bound = group.bounds[index] ?? group.labels[BOUND] ?? "";
          if (!boundMatchers.every((matcher) => matches(matcher, bound))) continue;
          const value = measure(group.series[index]);
          if (value === undefined) continue;
          const key = row.hasBounds ? bound : "";
          row.values.set(key, (row.values.get(key) ?? 0) + value);
        }
      }
    }
    return [...rows.values()].flatMap(samplesOf);
  }
}

type Measure = (series: Series) => number | undefined;

const BOUND = "le";

/** Sums of one group of an answer, by `le` when that is asked for. */
interface Row {
  readonly labels: Readonly<Record<string, string>>;
  readonly hasBounds: boolean;
  readonly values: Map<string, number>;
}

function rowFor(rows: Map<string, Row>, by: readonly string[], of: Readonly<Record<string, string>>): Row {
  const labels: Record<string, string> = {};
  for (const name of by) if (name !== BOUND) labels[name] = of[name] ?? "";
  const key = JSON.stringify(labels);
  const known = rows.get(key);
  if (known) return known;
  const row = { labels, hasBounds: by.includes(BOUND), values: new Map<string, number>() };
  rows.set(key, row);
  return row;
}

function samplesOf({ labels, hasBounds, values }: Row): Sample[] {
  return [...values].map(([bound, value]) => ({ labels: hasBounds ? { ...labels, [BOUND]: bound } : labels, value }));
}

function isGroupMatched(matcher: Matcher, group: Group): boolean {
  return matcher.label === BOUND || matches(matcher, group.labels[matcher.label] ?? "");
}

/** When the target's process began, as it says itself; -Infinity when it does not. */
function startedAtMs(text: string): number {
  const seconds = /^process_start_time_seconds (\S+)$/m.exec(text)?.[1];
  return seconds === undefined ? Number.NEGATIVE_INFINITY : Number(seconds) * 1_000;
}

const patterns = new Map<string, RegExp>(); // compiled matchers; bounded below

function matches({ op, value }: Matcher, actual: string): boolean {
  if (op === "=") return actual === value;
  if (op === "!=") return actual !== value;
  let pattern = patterns.get(value);
  if (!pattern) {
    if (patterns.size > 1_000) patterns.clear();
    pattern = new RegExp(`^(?:${value})$`);
    patterns.set(value, pattern);
  }
  return pattern.test(actual);
}
