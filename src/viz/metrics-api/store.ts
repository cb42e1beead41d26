import { readExposition } from "./exposition.ts";
import { type Matcher, type MetricsSource, quantileOf, type Sample, type Selection } from "./source.ts";

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
  readonly maxSeries: number;
}

/** One time series: its labels and its samples, oldest first. */
interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Instants and values alternate; only changes and the last unchanged instant are kept, so quiet series stay small. */
  points: number[];
  /** It grew from zero before our eyes: the target had been read without it, or was started after this store. */
  readonly isBornWatched: boolean;
}

/**
 * The built-in store: recent samples of every proxy in memory. Increases are exact sums of deltas, without Prometheus'
 * extrapolation: a counter that appeared while its target was watched counts from zero, and a reset counts from zero again.
 */
export class MemoryStore implements MetricsSource {
  readonly #options: StoreOptions;
  readonly #startedAtMs: number;
  readonly #families = new Map<string, Map<string, Series>>();
  readonly #targets = new Map<string, { seenAtMs: number }>(); // key: target's name
  #seriesCount = 0;
  /** Samples turned away because the store was full, for the store's own metrics. */
  droppedCount = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#startedAtMs = options.wallMs();
  }

  get seriesCount(): number {
    return this.#seriesCount;
  }

  /** Takes one reading of a target. `labels` are added to each sample (namespace, pod, deployment ...); the sample's own win. */
  ingest(target: string, text: string, labels: Readonly<Record<string, string>>): void {
    const nowMs = this.#options.wallMs();
    const isWatched = this.#targets.has(target) || startedAtMs(text) >= this.#startedAtMs;
    this.#targets.set(target, { seenAtMs: nowMs });
    readExposition(
      text,
      (name) => KEPT.has(name),
      (sample) => this.#take(sample.name, { ...labels, ...sample.labels }, sample.value, nowMs, isWatched),
    );
  }

  /** Forgets what is older than the retention; call it now and then. */
  expire(): void {
    const horizonMs = this.#options.wallMs() - this.#options.retentionMs;
    for (const [target, { seenAtMs }] of this.#targets) if (seenAtMs < horizonMs) this.#targets.delete(target);
    for (const series of this.#families.values()) {
      for (const [key, one] of series) {
        if (one.points[one.points.length - 2] < horizonMs) {
          series.delete(key);
          this.#seriesCount--;
        } else dropBefore(one, horizonMs);
      }
    }
  }

  async increase(select: Selection, windowMs: number, by: readonly string[]): Promise<Sample[]> {
    const nowMs = this.#options.wallMs();
    return this.#grouped(select, by, (series) => increaseOf(series, nowMs - windowMs));
  }

  async current(select: Selection, by: readonly string[]): Promise<Sample[]> {
    const freshSinceMs = this.#options.wallMs() - this.#options.staleAfterMs;
    return this.#grouped(select, by, (series) => {
      const { points } = series;
      return points[points.length - 2] >= freshSinceMs ? points[points.length - 1] : undefined;
    });
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

  #take(name: string, labels: Record<string, string>, value: number, nowMs: number, isBornWatched: boolean): void {
    let family = this.#families.get(name);
    if (!family) {
      family = new Map();
      this.#families.set(name, family);
    }
    const key = labelKey(labels);
    const series = family.get(key);
    if (series) append(series, nowMs, value);
    else if (this.#seriesCount >= this.#options.maxSeries) this.droppedCount++;
    else {
      this.#seriesCount++;
      family.set(key, { labels, points: [nowMs, value], isBornWatched });
    }
  }

  #grouped(select: Selection, by: readonly string[], measure: (series: Series) => number | undefined): Sample[] {
    const groups = new Map<string, { labels: Record<string, string>; value: number }>();
    for (const series of this.#families.get(select.metric)?.values() ?? []) {
      if (!select.matchers.every((matcher) => matches(matcher, series.labels[matcher.label] ?? ""))) continue;
      const value = measure(series);
      if (value === undefined) continue;
      const labels: Record<string, string> = {};
      for (const name of by) labels[name] = series.labels[name] ?? "";
      const key = JSON.stringify(labels);
      const group = groups.get(key);
      if (group) group.value += value;
      else groups.set(key, { labels, value });
    }
    return [...groups.values()];
  }
}

/** When the target's process began, as it says itself; -Infinity when it does not. */
function startedAtMs(text: string): number {
  const seconds = /^process_start_time_seconds (\S+)$/m.exec(text)?.[1];
  return seconds === undefined ? Number.NEGATIVE_INFINITY : Number(seconds) * 1_000;
}

function labelKey(labels: Readonly<Record<string, string>>): string {
  let key = "";
  for (const name of Object.keys(labels).sort()) key += `${name}\u0000${labels[name]}\u0001`;
  return key;
}

/** Three equal values in a row need only the first and the last instant. */
function append(series: Series, nowMs: number, value: number): void {
  const { points } = series;
  const last = points.length;
  if (last >= 4 && points[last - 1] === value && points[last - 3] === value) points[last - 2] = nowMs;
  else points.push(nowMs, value);
}

/** Keeps one point at or before the horizon, as the base of what follows. */
function dropBefore(series: Series, horizonMs: number): void {
  let keepFrom = 0;
  while (keepFrom + 2 < series.points.length && series.points[keepFrom + 2] <= horizonMs) keepFrom += 2;
  if (keepFrom > 0) series.points = series.points.slice(keepFrom);
}

/** Sum of rises since `sinceMs`; undefined when the series was not seen since then. */
function increaseOf({ points, isBornWatched }: Series, sinceMs: number): number | undefined {
  if (points[points.length - 2] < sinceMs) return undefined;
  let sum = 0;
  let before = isBornWatched && points[0] >= sinceMs ? 0 : undefined;
  for (let i = 0; i < points.length; i += 2) {
    const value = points[i + 1];
    if (points[i] >= sinceMs && before !== undefined) sum += value >= before ? value - before : value;
    before = value;
  }
  return sum;
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
