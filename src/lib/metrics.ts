import { IdleMap } from "./idle-map.ts";

/**
 * Counters, gauges and histograms as plain numbers, and their Prometheus text.
 * A series is resolved once (per connection, per route) and kept; counting is then an addition.
 * The number of series is capped: beyond it, every new label set of a family shares one overflow series, so that no
 * peer can grow memory by inventing label values (CVE-2025-43915 was that).
 */
export type Labels = Readonly<Record<string, string | number>>;

export class Counter {
  value = 0;

  inc(by = 1): void {
    this.value += by;
  }
}

export class Gauge {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.value += by;
  }
}

/** Buckets hold counts per bound, not cumulative; `render` sums them up. */
export class Histogram {
  readonly bounds: readonly number[];
  readonly counts: Float64Array; // the last slot is above every bound
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let low = 0;
    let high = this.bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= this.bounds[middle]) high = middle;
      else low = middle + 1;
    }
    this.counts[low]++;
    this.sum += value;
  }
}

export interface Family<T> {
  /** The series with these labels, made on first use. Order of labels does not matter to identity. */
  series(labels?: Labels): T;
  /** Forgets a series, for example of a connection's endpoint that went away. */
  remove(labels?: Labels): void;
}

type Kind = "counter" | "gauge" | "histogram";

const DEFAULT_MAX_SERIES = 10_000; // a proxy with 100 services and a dozen statuses each holds about 5,000
const OVERFLOW: Labels = { overflow: "true" };

export class MetricsRegistry {
  readonly #families = new Map<string, SeriesFamily<Counter | Gauge | Histogram>>();
  readonly #collectors: (() => void)[] = [];
  readonly #budget: { left: number };

  constructor(options: { readonly maxSeries?: number } = {}) {
    this.#budget = { left: options.maxSeries ?? DEFAULT_MAX_SERIES };
  }

  counter(name: string, help: string): Family<Counter> {
    return this.#family(name, help, "counter", () => new Counter());
  }

  gauge(name: string, help: string): Family<Gauge> {
    return this.#family(name, help, "gauge", () => new Gauge());
  }

  /** `bounds` are the upper bounds of the buckets, rising; `+Inf` is added. */
  histogram(name: string, help: string, bounds: readonly number[]): Family<Histogram> {
    return this.#family(name, help, "histogram", () => new Histogram(bounds));
  }

  /** Runs before each rendering, for values that are read rather than counted (memory, open files). */
  onRender(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /**
   * Forgets series that did nothing since the last call and that nobody keeps (of a pod that went away, say): they give
   * their places back. To be called now and then. Gauges stay while they are not 0.
   */
  forgetIdle(): void {
    for (const family of this.#families.values()) family.forgetIdle();
  }

  /** Prometheus text. Families without series are left out. */
  render(): string {
    for (const collect of this.#collectors) collect();
    const parts: string[] = [];
    for (const family of this.#families.values()) family.render(parts);
    return parts.join("");
  }

  #family<T extends Counter | Gauge | Histogram>(name: string, help: string, kind: Kind, make: () => T): Family<T> {
    const known = this.#families.get(name);
    if (known) return known as unknown as SeriesFamily<T>;
    const family = new SeriesFamily<T>(name, help, kind, make, this.#budget);
    this.#families.set(name, family as unknown as SeriesFamily<Counter | Gauge | Histogram>);
    return family;
  }
}

class SeriesFamily<T extends Counter | Gauge | Histogram> implements Family<T> {
  readonly #header: string;
  readonly #name: string;
  readonly #make: () => T;
  readonly #budget: { left: number };
  readonly #series = new IdleMap<T>(); // by rendered labels, without braces

  constructor(name: string, help: string, kind: Kind, make: () => T, budget: { left: number }) {
    this.#header = `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${kind}\n`;
    this.#name = name;
    this.#make = make;
    this.#budget = budget;
  }

  series(labels: Labels = {}): T {
    const key = renderLabels(labels);
    const known = this.#settled(() => this.#series.get(key));
    if (known) return known;
    if (this.#budget.left <= 0 && labels !== OVERFLOW) return this.series(OVERFLOW);
    this.#budget.left--;
    const made = this.#make();
    this.#series.set(key, made);
    return made;
  }

  remove(labels: Labels = {}): void {
    if (this.#series.delete(renderLabels(labels))) this.#budget.left++;
  }

  forgetIdle(): void {
    this.#settled(() => this.#series.endRound(activityOf));
  }

  /** Gives the places of series that turned out to be gone back to the budget. */
  #settled<R>(run: () => R): R {
    const before = this.#series.size;
    const result = run();
    this.#budget.left += before - this.#series.size;
    return result;
  }

  render(parts: string[]): void {
    if (this.#series.size === 0) return;
    parts.push(this.#header);
    for (const [labels, series] of this.#series) {
      if (series instanceof Histogram) this.#renderHistogram(labels, series, parts);
      else parts.push(`${this.#name}${labels === "" ? "" : `{${labels}}`} ${renderNumber(series.value)}\n`);
    }
  }

  #renderHistogram(labels: string, histogram: Histogram, parts: string[]): void {
    const prefix = labels === "" ? "" : `${labels},`;
    const braced = labels === "" ? "" : `{${labels}}`;
    let total = 0;
    for (let i = 0; i < histogram.counts.length; i++) {
      total += histogram.counts[i];
      const bound = i < histogram.bounds.length ? renderNumber(histogram.bounds[i]) : "+Inf";
      parts.push(`${this.#name}_bucket{${prefix}le="${bound}"} ${total}\n`);
    }
    parts.push(`${this.#name}_sum${braced} ${renderNumber(histogram.sum)}\n${this.#name}_count${braced} ${total}\n`);
  }
}

/** A number that changes when a series does; undefined for a gauge that says something. */
function activityOf(series: Counter | Gauge | Histogram): number | undefined {
  if (series instanceof Histogram) return series.counts.reduce((sum, count) => sum + count, 0);
  return series instanceof Gauge && series.value !== 0 ? undefined : series.value;
}

function renderLabels(labels: Labels): string {
  const names = Object.keys(labels).sort();
  return names.map((name) => `${name}="${escapeValue(String(labels[name]))}"`).join(",");
}

function escapeValue(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}
