import { IdleMap, type Idling } from "./idle-map.ts";

/**
 * Counters, gauges and histograms as plain numbers, and their Prometheus text.
 * A series is resolved once (per connection, per route) and kept; counting is then an addition.
 * The number of series is capped: beyond it, every new label set of a family shares one overflow series, so that no
 * peer can grow memory by inventing label values (CVE-2025-43915 was that).
 */
export type Labels = Readonly<Record<string, string | number>>;

export class Counter implements Idling {
  value = 0;
  idleMark = Number.NaN;

  inc(by = 1): void {
    this.value += by;
  }
}

export class Gauge implements Idling {
  value = 0;
  idleMark = Number.NaN;

  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.value += by;
  }
}

/** Buckets hold counts per bound, not cumulative; `render` sums them up. */
export class Histogram implements Idling {
  readonly bounds: readonly number[];
  readonly counts: Float64Array; // the last slot is above every bound
  sum = 0;
  idleMark = Number.NaN;

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
  /** The series with these labels, made on first use. Their order does not matter; the object must not change later. */
  series(labels?: Labels): T;
  /** Forgets a series, for example of a connection's endpoint that went away. */
  remove(labels?: Labels): void;
}

type Kind = "counter" | "gauge" | "histogram";

const DEFAULT_MAX_SERIES = 10_000; // a proxy with 100 services and a dozen statuses each holds about 5,000
const NO_LABELS: Labels = {};
const OVERFLOW: Labels = { overflow: "true" };

export class MetricsRegistry {
  readonly #families = new Map<string, SeriesFamily<Counter | Gauge | Histogram>>();
  readonly #collectors: (() => void)[] = [];
  readonly #shared: Shared;

  constructor(options: { readonly maxSeries?: number } = {}) {
    this.#shared = { seriesLeft: options.maxSeries ?? DEFAULT_MAX_SERIES, texts: new LabelTexts() };
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
    const family = new SeriesFamily<T>(name, help, kind, make, this.#shared);
    this.#families.set(name, family as unknown as SeriesFamily<Counter | Gauge | Histogram>);
    return family;
  }
}

/** What the families of a registry have in common. */
interface Shared {
  seriesLeft: number;
  readonly texts: LabelTexts;
}

/** Rendered labels, each text once: the same ones stand in many families. As many as there are series at most. */
class LabelTexts {
  readonly #texts = new Map<string, { readonly text: string; users: number }>();
  #labels: Labels | null = null; // rendered last: one object often asks several families in a row
  #text = "";

  render(labels: Labels): string {
    if (labels !== this.#labels) {
      this.#text = renderLabels(labels);
      this.#labels = labels;
    }
    return this.#text;
  }

  /** The text that stands for all that equal it; `release` it when the series is gone. */
  take(text: string): string {
    let known = this.#texts.get(text);
    if (!known) this.#texts.set(text, (known = { text, users: 0 }));
    known.users++;
    return known.text;
  }

  release(text: string): void {
    const known = this.#texts.get(text);
    if (known && --known.users === 0) this.#texts.delete(text);
  }
}

class SeriesFamily<T extends Counter | Gauge | Histogram> implements Family<T> {
  readonly #header: string;
  readonly #name: string;
  readonly #make: () => T;
  readonly #shared: Shared;
  readonly #series: IdleMap<T>; // by rendered labels, without braces

  constructor(name: string, help: string, kind: Kind, make: () => T, shared: Shared) {
    this.#header = `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${kind}\n`;
    this.#name = name;
    this.#make = make;
    this.#shared = shared;
    this.#series = new IdleMap((text) => {
      shared.seriesLeft++;
      shared.texts.release(text);
    });
  }

  series(labels: Labels = NO_LABELS): T {
    const text = this.#shared.texts.render(labels);
    const known = this.#series.get(text);
    if (known) return known;
    if (this.#shared.seriesLeft <= 0 && labels !== OVERFLOW) return this.series(OVERFLOW);
    this.#shared.seriesLeft--;
    const made = this.#make();
    this.#series.set(this.#shared.texts.take(text), made);
    return made;
  }

  remove(labels: Labels = NO_LABELS): void {
    this.#series.delete(this.#shared.texts.render(labels));
  }

  forgetIdle(): void {
    this.#series.endRound(activityOf);
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
  const parts: string[] = [];
  for (const name of Object.keys(labels).sort()) {
    parts.push(parts.length === 0 ? "" : ",", name, '="', escapeValue(String(labels[name])), '"');
  }
  return parts.join("");
}

function escapeValue(value: string): string {
  if (!ESCAPED.test(value)) return value;
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

const ESCAPED = /[\\"\n]/;

function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  if (value === Number.NEGATIVE_INFINITY) return "-Inf";
  return String(value);
}
