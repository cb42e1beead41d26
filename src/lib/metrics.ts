/**
 * Counters, gauges and histograms as plain numbers, and their Prometheus text.
 * A series is resolved once (per connection, per route) and kept; counting is then an addition. A series that nobody keeps
 * goes on being told.
 * The number of series is capped: beyond it, every new label set of a family shares one overflow series, so that no
 * peer can grow memory by inventing label values (CVE-2025-43915 was that).
 */
export type Labels = Readonly<Record<string, string | number>>;

export class Counter {
  readonly #table: SeriesTable;
  readonly #at: number;

  /** @internal */
  constructor(table: SeriesTable, at: number) {
    this.#table = table;
    this.#at = at;
  }

  get value(): number {
    return this.#table.values[this.#at];
  }

  set value(value: number) {
    this.#table.values[this.#at] = value;
  }

  inc(by = 1): void {
    this.#table.values[this.#at] += by;
  }
}

export class Gauge extends Counter {
  set(value: number): void {
    this.value = value;
  }

  add(by: number): void {
    this.inc(by);
  }
}

/** Buckets hold counts per bound, not cumulative; `render` sums them up. */
export class Histogram {
  readonly #table: SeriesTable;
  readonly #bounds: readonly number[];
  readonly #at: number;

  /** @internal */
  constructor(table: SeriesTable, at: number, bounds: readonly number[]) {
    this.#table = table;
    this.#at = at;
    this.#bounds = bounds;
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= bounds[middle]) high = middle;
      else low = middle + 1;
    }
    const { values } = this.#table;
    values[this.#at + low]++;
    values[this.#at + bounds.length + 1] += value;
  }
}

export interface Family<T> {
  /** The series with these labels, made on first use. Their order does not matter; the object must not change later. */
  series(labels?: Labels): T;
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
    return this.#family(name, help, COUNTER);
  }

  gauge(name: string, help: string): Family<Gauge> {
    return this.#family(name, help, GAUGE);
  }

  /** `bounds` are the upper bounds of the buckets, rising; `+Inf` is added. */
  histogram(name: string, help: string, bounds: readonly number[]): Family<Histogram> {
    return this.#family(name, help, histogramOf(bounds));
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
    this.#shared.texts.clear();
  }

  /** Lets go of what stood for series that nobody counts any more; their numbers stay. To be called in a quiet moment. */
  compact(): void {
    for (const family of this.#families.values()) family.compact();
  }

  /** Prometheus text. Families without series are left out. */
  render(): string {
    for (const collect of this.#collectors) collect();
    const parts: string[] = [];
    for (const family of this.#families.values()) family.render(parts);
    return parts.join("");
  }

  #family<T extends Counter | Gauge | Histogram>(name: string, help: string, shape: Shape<T>): Family<T> {
    const known = this.#families.get(name);
    if (known) return known as unknown as SeriesFamily<T>;
    const family = new SeriesFamily<T>(name, help, shape, this.#shared);
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
  readonly #texts = new Map<string, string>();
  #labels: Labels | null = null; // rendered last: one object often asks several families in a row
  #text = "";

  render(labels: Labels): string {
    if (labels !== this.#labels) {
      this.#text = renderLabels(labels);
      this.#labels = labels;
    }
    return this.#text;
  }

  /** The text that stands for all that equal it. */
  shared(text: string): string {
    const known = this.#texts.get(text);
    if (known === undefined) this.#texts.set(text, text);
    return known ?? text;
  }

  /** What is rendered again from now on is a text of its own. */
  clear(): void {
    this.#texts.clear();
    this.#labels = null;
  }
}

/** The numbers of one family's series, side by side, `width` for each: one that nobody counts at the moment costs no object. */
class SeriesTable {
  values: Float64Array;
  readonly #width: number;
  readonly #free: number[] = [];
  #used = 0;

  constructor(width: number) {
    this.#width = width;
    this.values = new Float64Array(width);
  }

  /** Where the numbers of a new series begin; all are 0. */
  take(): number {
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    if (this.#used === this.values.length) {
      const wider = new Float64Array(this.values.length * 2);
      wider.set(this.values);
      this.values = wider;
    }
    const at = this.#used;
    this.#used += this.#width;
    return at;
  }

  release(at: number): void {
    this.values.fill(0, at, at + this.#width);
    this.#free.push(at);
  }
}

/** How a family's series look. */
interface Shape<T> {
  readonly kind: Kind;
  /** Numbers of a series. */
  readonly width: number;
  /** One number more than there are bounds tells, from the first, that something happened. */
  readonly bounds: readonly number[];
  handle(table: SeriesTable, at: number): T;
}

const COUNTER: Shape<Counter> = {
  kind: "counter",
  width: 1,
  bounds: [],
  handle: (table, at) => new Counter(table, at),
};
const GAUGE: Shape<Gauge> = { ...COUNTER, kind: "gauge", handle: (table, at) => new Gauge(table, at) };

function histogramOf(bounds: readonly number[]): Shape<Histogram> {
  return {
    kind: "histogram",
    width: bounds.length + 2, // a count for each bound, one above them all, and the sum
    bounds,
    handle: (table, at) => new Histogram(table, at, bounds),
  };
}

class SeriesFamily<T extends Counter | Gauge | Histogram> implements Family<T> {
  readonly #header: string;
  readonly #name: string;
  readonly #shape: Shape<T>;
  readonly #shared: Shared;
  readonly #table: SeriesTable;
  readonly #places = new Map<string, number>(); // by rendered labels, without braces
  readonly #handles: (WeakRef<T> | undefined)[] = []; // by place divided by width, as the marks are
  readonly #marks: number[] = [];

  constructor(name: string, help: string, shape: Shape<T>, shared: Shared) {
    const escapedHelp = help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
    this.#header = `# HELP ${name} ${escapedHelp}\n# TYPE ${name} ${shape.kind}\n`;
    this.#name = name;
    this.#shape = shape;
    this.#shared = shared;
    this.#table = new SeriesTable(shape.width);
  }

  series(labels: Labels = NO_LABELS): T {
    const text = this.#shared.texts.render(labels);
    const known = this.#places.get(text);
    if (known !== undefined) return this.#handleOf(known);
    if (this.#shared.seriesLeft <= 0 && labels !== OVERFLOW) return this.series(OVERFLOW);
    this.#shared.seriesLeft--;
    const at = this.#table.take();
    this.#places.set(this.#shared.texts.shared(text), at);
    this.#marks[at / this.#shape.width] = Number.NaN;
    return this.#handleOf(at);
  }

  /** See `MetricsRegistry.forgetIdle`. */
  forgetIdle(): void {
    for (const [text, at] of this.#places) {
      const index = at / this.#shape.width;
      const mark = this.#activityAt(at);
      const isKept = mark !== this.#marks[index] || (this.#shape.kind === "gauge" && mark !== 0);
      this.#marks[index] = mark;
      if (isKept || this.#handles[index]?.deref()) continue;
      this.#places.delete(text);
      this.#table.release(at);
      this.#shared.seriesLeft++;
    }
  }

  /** See `MetricsRegistry.compact`. */
  compact(): void {
    const handles = this.#handles;
    for (let i = 0; i < handles.length; i++) if (handles[i] && !handles[i]!.deref()) handles[i] = undefined;
  }

  render(parts: string[]): void {
    if (this.#places.size === 0) return;
    parts.push(this.#header);
    const { values } = this.#table;
    for (const [labels, at] of this.#places) {
      if (this.#shape.kind === "histogram") this.#renderHistogram(labels, at, parts);
      else parts.push(`${this.#name}${labels === "" ? "" : `{${labels}}`} ${renderNumber(values[at])}\n`);
    }
  }

  /** Whoever counts shares it with all others who do. */
  #handleOf(at: number): T {
    const index = at / this.#shape.width;
    const known = this.#handles[index]?.deref();
    if (known) return known;
    const made = this.#shape.handle(this.#table, at);
    this.#handles[index] = new WeakRef(made);
    return made;
  }

  /** A number that changes when something is counted. */
  #activityAt(at: number): number {
    let sum = 0;
    for (let i = 0; i <= this.#shape.bounds.length; i++) sum += this.#table.values[at + i];
    return sum;
  }

  #renderHistogram(labels: string, at: number, parts: string[]): void {
    const prefix = labels === "" ? "" : `${labels},`;
    const braced = labels === "" ? "" : `{${labels}}`;
    const { bounds } = this.#shape;
    const { values } = this.#table;
    let total = 0;
    for (let i = 0; i <= bounds.length; i++) {
      total += values[at + i];
      const bound = i < bounds.length ? renderNumber(bounds[i]) : "+Inf";
      parts.push(`${this.#name}_bucket{${prefix}le="${bound}"} ${total}\n`);
    }
    const sum = renderNumber(values[at + bounds.length + 1]);
    parts.push(`${this.#name}_sum${braced} ${sum}\n${this.#name}_count${braced} ${total}\n`);
  }
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
