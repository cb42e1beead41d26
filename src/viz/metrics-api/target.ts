import { type ExpositionHead, type ExpositionSink, readExposition, readHead } from "./exposition.ts";
import { Series } from "./series.ts";
import { copyOf, type TextPool } from "./text-pool.ts";

type Labels = Readonly<Record<string, string>>;

/** How many more series the store takes; all its targets share one. */
export interface SeriesBudget {
  left: number;
  /** Samples turned away because nothing was left. */
  droppedCount: number;
}

/** What is the same for all targets of a store. */
export interface TargetContext {
  readonly budget: SeriesBudget;
  readonly texts: TextPool;
  readonly wants: (name: string) => boolean;
  /** How many points of a series are kept. */
  readonly pointCount: number;
  /** Time between two points; readings in between change the present value only. */
  readonly spacingMs: number;
}

/**
 * Lines that differ in nothing but the value of a closing `le`, or one line: their labels are kept once. `key` is the text
 * of the line up to where they differ. Any line that begins with a key has exactly these labels.
 *
 *     response_total{a="1",b="2"} 7                    key: response_total{a="1",b="2"}
 *     up 1                                             key: "up " (with its blank: not the start of another name)
 *     latency_bucket{a="1",le="10"} 7                  key: latency_bucket{a="1",le="     bounds: 10, …
 */
export class Group {
  key: string;
  labels: Labels;
  readonly name: string;
  readonly isHistogram: boolean;
  /** Of a histogram: the value of `le` of each series. */
  readonly bounds: string[] = [];
  readonly series: Series[] = [];
  /** The group that followed in the last reading, most likely the next one now. */
  next: Group | undefined = undefined;

  constructor(key: string, name: string, labels: Labels, isHistogram: boolean) {
    this.key = key;
    this.name = name;
    this.labels = labels;
    this.isHistogram = isHistogram;
  }
}

const GONE = "\n"; // the key of a group that was dropped: no line begins so
const BUCKET = 'le="';
const BUCKET_END = '"}';

/**
 * What was read from one proxy. A proxy says the same lines in the same order each time, so each line is first compared with
 * the one that followed last time: no label is read, no text is made. What is new is read whole, and found by its labels if
 * they are known in another order.
 */
export class Target implements ExpositionSink {
  seenAtMs = Number.NEGATIVE_INFINITY;
  readonly #context: TargetContext;
  readonly #times: Float64Array; // instants of the points, a ring
  #point = -1; // the newest point, counted from 0; its place in rings is the rest modulo their length
  #labels: Labels;
  readonly #families = new Map<string, Group[]>();
  readonly #groups = new Map<string, Group>(); // by key
  #byLabels: Map<string, Group> | undefined; // only while a reading shows new lines
  #first: Group | undefined;
  // Where the reading stands:
  #nowMs = 0;
  #isWatched = false;
  #group: Group | undefined; // of the line before
  #index = 0; // its series in the group

  constructor(labels: Labels, context: TargetContext) {
    this.#labels = labels;
    this.#context = context;
    this.#times = new Float64Array(context.pointCount);
  }

  /** Takes a reading. `labels` are added to each sample, whose own win. `isWatched`: a new series counts from zero. */
  read(text: string, labels: Labels, nowMs: number, isWatched: boolean): void {
    this.#relabel(labels);
    this.#nowMs = nowMs;
    this.#isWatched = isWatched;
    this.#group = undefined;
    readExposition(text, this);
    this.#byLabels = undefined;
    this.seenAtMs = nowMs;
    this.#closePoint();
  }

  /** The groups of a metric. */
  family(name: string): readonly Group[] {
    return this.#families.get(name) ?? [];
  }

  /** The newest point before `sinceMs`; the oldest that is kept when all are later and some are gone; else -1. */
  pointBefore(sinceMs: number): number {
    const { length } = this.#times;
    const oldest = Math.max(0, this.#point - length + 1);
    let point = this.#point;
    while (point >= oldest && this.#times[point % length] >= sinceMs) point--;
    if (point >= oldest) return point;
    return oldest > 0 ? oldest : -1;
  }

  /** Drops the series that were not seen since `horizonMs`. */
  expire(horizonMs: number): void {
    for (const [name, groups] of this.#families) {
      for (const group of groups) this.#expireSeries(group, horizonMs);
      const left = groups.filter(({ series }) => series.length > 0);
      if (left.length === 0) this.#families.delete(name);
      else if (left.length < groups.length) this.#families.set(name, left);
    }
  }

  #expireSeries(group: Group, horizonMs: number): void {
    const { series, bounds } = group;
    for (let index = series.length - 1; index >= 0; index--) {
      if (series[index].seenAtMs >= horizonMs) continue;
      series.splice(index, 1);
      bounds.splice(index, 1);
      this.#context.budget.left++;
    }
    if (series.length > 0) return;
    this.#groups.delete(group.key);
    group.key = GONE;
    group.next = undefined;
  }

  recognize(text: string, at: number): number {
    const before = this.#group;
    if (before?.isHistogram) {
      const end = this.#recognizeBucket(before, text, at, this.#index + 1);
      if (end >= 0) return end;
    }
    const group = before === undefined ? this.#first : before.next;
    if (group === undefined) return -1;
    if (group.isHistogram) return this.#recognizeBucket(group, text, at, 0);
    if (!text.startsWith(group.key, at)) return -1;
    this.#group = group;
    this.#index = 0;
    return at + group.key.length;
  }

  /** Where the head of a line ends when it is one of the group's; it is most likely that of `expected`. */
  #recognizeBucket(group: Group, text: string, at: number, expected: number): number {
    if (!text.startsWith(group.key, at)) return -1;
    const boundAt = at + group.key.length;
    const { bounds } = group;
    const isExpected = expected < bounds.length && isBound(bounds[expected], text, boundAt);
    const index = isExpected ? expected : bounds.findIndex((bound) => isBound(bound, text, boundAt));
    if (index < 0) return -1;
    this.#group = group;
    this.#index = index;
    return boundAt + bounds[index].length + BUCKET_END.length;
  }

  takeKnown(value: number): void {
    this.#group!.series[this.#index].take(value, this.#nowMs);
  }

  wants(name: string): boolean {
    return this.#context.wants(name);
  }

  take(text: string, at: number, head: ExpositionHead, value: number): void {
    const bound = boundOf(text, head);
    const key = text.slice(at, keyEnd(text, head, bound));
    const known = this.#groups.get(key) ?? this.#adopt(key, head, bound);
    const index = bound === undefined ? 0 : (known?.bounds.indexOf(bound) ?? -1);
    if (known && index >= 0) {
      known.series[index].take(value, this.#nowMs);
      this.#moveTo(known, index);
      return;
    }
    const { budget, texts } = this.#context;
    if (budget.left <= 0) {
      budget.droppedCount++;
      return;
    }
    budget.left--;
    const group = known ?? this.#add(key, head, bound);
    group.series.push(new Series(value, this.#nowMs, this.#point + 1, this.#isWatched));
    if (bound !== undefined) group.bounds.push(texts.own(bound));
    this.#moveTo(group, group.series.length - 1);
  }

  /** Remembers what followed the line before. */
  #moveTo(group: Group, index: number): void {
    if (this.#group === undefined) this.#first = group;
    else if (this.#group !== group) this.#group.next = group;
    this.#group = group;
    this.#index = index;
  }

  /** The group with these labels whose text was another one so far; it goes by the new text from here on. */
  #adopt(key: string, { name, labels }: ExpositionHead, bound: string | undefined): Group | undefined {
    this.#byLabels ??= new Map([...this.#groups.values()].map((group) => [identityOf(group), group]));
    const isHistogram = bound !== undefined;
    const group = this.#byLabels.get(identityOf({ name, labels: this.#labelsOf(labels, isHistogram), isHistogram }));
    if (group === undefined) return undefined;
    this.#groups.delete(group.key);
    group.key = copyOf(key);
    this.#groups.set(group.key, group);
    return group;
  }

  #add(key: string, { name, labels }: ExpositionHead, bound: string | undefined): Group {
    const isHistogram = bound !== undefined;
    const group = new Group(
      copyOf(key),
      this.#context.texts.own(name),
      this.#labelsOf(labels, isHistogram),
      isHistogram,
    );
    this.#groups.set(group.key, group);
    this.#byLabels?.set(identityOf(group), group);
    const family = this.#families.get(group.name);
    if (family) family.push(group);
    else this.#families.set(group.name, [group]);
    return group;
  }

  /** The target's labels and a line's own, which win; `le` stands beside the series. */
  #labelsOf(own: Labels, isHistogram: boolean): Labels {
    const { texts } = this.#context;
    const labels: Record<string, string> = {};
    for (const [name, value] of Object.entries({ ...this.#labels, ...own })) {
      if (!isHistogram || name !== "le") labels[texts.own(name)] = texts.own(value);
    }
    return labels;
  }

  /** A pod's labels may change while it runs: its series go on under the new ones. */
  #relabel(labels: Labels): void {
    if (isSame(labels, this.#labels)) return;
    this.#labels = labels;
    for (const group of this.#groups.values()) {
      const line = group.isHistogram ? group.key + BUCKET_END : group.key;
      group.labels = this.#labelsOf(readHead(line, 0, line.length)!.labels, group.isHistogram);
    }
  }

  /** Begins a new point when the last one is old enough, and files under it what every series is at. */
  #closePoint(): void {
    const { length } = this.#times;
    if (this.#point >= 0 && this.#nowMs - this.#times[this.#point % length] < this.#context.spacingMs) return;
    this.#point++;
    this.#times[this.#point % length] = this.#nowMs;
    for (const { series } of this.#groups.values()) for (const one of series) one.mark(this.#point, length);
  }
}

function isBound(bound: string, text: string, at: number): boolean {
  return text.startsWith(bound, at) && text.startsWith(BUCKET_END, at + bound.length);
}

/** The value of `le` when it is the line's last label and is written plainly. */
function boundOf(text: string, { labels, lastLabelAt, end }: ExpositionHead): string | undefined {
  if (lastLabelAt < 0 || !text.startsWith(BUCKET, lastLabelAt)) return undefined;
  const bound = labels.le;
  return lastLabelAt + BUCKET.length + bound.length + BUCKET_END.length === end ? bound : undefined;
}

function keyEnd(text: string, { lastLabelAt, end }: ExpositionHead, bound: string | undefined): number {
  if (bound !== undefined) return lastLabelAt + BUCKET.length;
  return text[end - 1] === "}" ? end : end + 1;
}

function identityOf({ name, labels, isHistogram }: Pick<Group, "name" | "labels" | "isHistogram">): string {
  const pairs = Object.keys(labels).sort();
  return `${name}\u0001${isHistogram}${pairs.map((label) => `\u0001${label}\u0000${labels[label]}`).join("")}`;
}

function isSame(a: Labels, b: Labels): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
