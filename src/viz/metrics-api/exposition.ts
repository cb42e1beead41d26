/** A line of Prometheus text up to its number. */
export interface ExpositionHead {
  readonly name: string;
  readonly labels: Record<string, string>;
  /** Where the last label begins; -1 without labels. */
  readonly lastLabelAt: number;
  /** Where the head is over: behind the closing brace, or behind the name when there is none. */
  readonly end: number;
}

/**
 * Takes samples. A reader of the same text again and again knows its lines: `recognize` saves reading their labels, which
 * is nine tenths of the work.
 */
export interface ExpositionSink {
  /** Where the head of the line at `at` ends when the sink knows it: then only `takeKnown` is called. Otherwise -1. */
  recognize(text: string, at: number): number;
  takeKnown(value: number): void;
  /** Whether samples of that name are of interest. */
  wants(name: string): boolean;
  /** A line that was not recognized. `at` is where it begins. */
  take(text: string, at: number, head: ExpositionHead, value: number): void;
}

/**
 * Reads Prometheus text (and OpenMetrics) line by line into `sink`. Comments, exemplars and timestamps are passed over; a
 * line that is not the format, or too long, is counted and skipped. Returns how many lines were malformed.
 */
export function readExposition(text: string, sink: ExpositionSink): number {
  let malformed = 0;
  for (let at = 0; at < text.length; ) {
    let lineEnd = text.indexOf("\n", at);
    if (lineEnd < 0) lineEnd = text.length;
    if (lineEnd > at && text.charCodeAt(at) !== HASH && !readLine(text, at, lineEnd, sink)) malformed++;
    at = lineEnd + 1;
  }
  return malformed;
}

const HASH = 0x23;
const MAX_LINE_CHARS = 16_384; // the longest of our own have about 700; what a sink keeps of a line has a limit with it
const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|\})/y;

function readLine(text: string, start: number, end: number, sink: ExpositionSink): boolean {
  if (end - start > MAX_LINE_CHARS) return false;
  const known = sink.recognize(text, start);
  if (known >= 0) {
    const value = readNumber(text, known, end);
    if (value === undefined) return false;
    sink.takeKnown(value);
    return true;
  }
  const name = readName(text, start);
  if (name === "") return text.slice(start, end).trim() === "";
  if (!sink.wants(name)) return true;
  const head = readHead(text, start, end);
  const value = head && readNumber(text, head.end, end);
  if (value === undefined) return false;
  sink.take(text, start, head!, value);
  return true;
}

function readName(text: string, at: number): string {
  NAME.lastIndex = at;
  return NAME.exec(text)?.[0] ?? "";
}

/** Reads the line between `start` and `end` up to its number; undefined when it is malformed. */
export function readHead(text: string, start: number, end: number): ExpositionHead | undefined {
  const name = readName(text, start);
  const labels: Record<string, string> = {};
  let lastLabelAt = -1;
  let at = start + name.length;
  if (text[at] !== "{") return { name, labels, lastLabelAt, end: at };
  at++;
  let more = text[at] !== "}";
  if (!more) at++;
  while (more) {
    LABEL.lastIndex = lastLabelAt = at;
    const label = LABEL.exec(text);
    if (!label || LABEL.lastIndex > end) return undefined;
    labels[label[1]] = unescapeValue(label[2]);
    at = LABEL.lastIndex;
    more = label[3] === "," && text[at] !== "}";
    if (label[3] === "," && !more) at++;
  }
  return { name, labels, lastLabelAt, end: at };
}

/** The number after blanks; most are whole and short, and are read without making a text of them. */
function readNumber(text: string, from: number, end: number): number | undefined {
  let start = from;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  const limit = Math.min(end, start + MAX_EXACT_DIGITS);
  let value = 0;
  let at = start;
  for (; at < limit; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at > start && (at === end || isBlank(text.charCodeAt(at)))) return value;
  return toNumber(text.slice(start, end).trim().split(/\s/, 1)[0]);
}

const ZERO = 0x30;
const MAX_EXACT_DIGITS = 15; // below 2^53

function isBlank(char: number): boolean {
  return char === 0x20 || char === 0x09 || char === 0x0d;
}

function toNumber(text: string): number | undefined {
  if (text === "+Inf" || text === "Inf") return Number.POSITIVE_INFINITY;
  if (text === "-Inf") return Number.NEGATIVE_INFINITY;
  if (text === "NaN") return Number.NaN;
  const value = Number(text);
  return text === "" || Number.isNaN(value) ? undefined : value;
}

function unescapeValue(value: string): string {
  return value.includes("\\") ? value.replace(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char)) : value;
}
