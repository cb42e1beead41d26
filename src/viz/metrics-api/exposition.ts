/** One line of Prometheus text: a name, its labels, a number. */
export interface ExpositionSample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

/**
 * Reads Prometheus text (and OpenMetrics) line by line, calling `take` for each sample whose name `wants` accepts.
 * Comments, exemplars and timestamps are passed over; a line that is not the format is counted and skipped.
 * Returns how many lines were malformed.
 */
export function readExposition(
  text: string,
  wants: (name: string) => boolean,
  take: (sample: ExpositionSample) => void,
): number {
  let malformed = 0;
  for (let at = 0; at < text.length; ) {
    let lineEnd = text.indexOf("\n", at);
    if (lineEnd < 0) lineEnd = text.length;
    if (lineEnd > at && text.charCodeAt(at) !== HASH && !readLine(text, at, lineEnd, wants, take)) malformed++;
    at = lineEnd + 1;
  }
  return malformed;
}

const HASH = 0x23;
const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|\})/y;

function readLine(
  text: string,
  start: number,
  end: number,
  wants: (name: string) => boolean,
  take: (sample: ExpositionSample) => void,
): boolean {
  NAME.lastIndex = start;
  const name = NAME.exec(text)?.[0];
  if (!name) return text.slice(start, end).trim() === "";
  if (!wants(name)) return true;
  const labels: Record<string, string> = {};
  let at = start + name.length;
  if (text[at] === "{") {
    at++;
    if (text[at] === "}") at++;
    else {
      for (let more = true; more; ) {
        LABEL.lastIndex = at;
        const label = LABEL.exec(text);
        if (!label || LABEL.lastIndex > end) return false;
        labels[label[1]] = unescapeValue(label[2]);
        at = LABEL.lastIndex;
        more = label[3] === "," && text[at] !== "}";
        if (label[3] === "," && !more) at++;
      }
    }
  }
  const number = text.slice(at, end).trim().split(/\s/, 1)[0];
  const value = toNumber(number);
  if (value === undefined) return false;
  take({ name, labels, value });
  return true;
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
