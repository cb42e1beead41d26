/** Cron expressions of five fields, as CronJobs use them (UTC). Pure. */
export interface CronSchedule {
  /** The first instant after `afterMs` that fits; undefined when none does within four years. */
  next(afterMs: number): number | undefined;
}

const MINUTE_MS = 60_000;
const HORIZON_MINUTES = 4 * 366 * 24 * 60;
const NAMED: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** Undefined when the text is not a schedule. */
export function parseCron(text: string): CronSchedule | undefined {
  const fields = (NAMED[text.trim()] ?? text).trim().split(/\s+/);
  if (fields.length !== 5) return undefined;
  const [minutes, hours, days, months, weekdays] = [
    parseField(fields[0]!, 0, 59, []),
    parseField(fields[1]!, 0, 23, []),
    parseField(fields[2]!, 1, 31, []),
    parseField(fields[3]!, 1, 12, MONTHS),
    parseField(fields[4]!, 0, 7, DAYS),
  ];
  if (!minutes || !hours || !days || !months || !weekdays) return undefined;
  if (weekdays.has(7)) weekdays.add(0);
  const isAnyDay = fields[2] === "*" || fields[2] === "?";
  const isAnyWeekday = fields[4] === "*" || fields[4] === "?";
  const fitsDay = (at: Date): boolean => {
    const [inMonth, inWeek] = [days.has(at.getUTCDate()), weekdays.has(at.getUTCDay())];
    return isAnyDay || isAnyWeekday ? inMonth && inWeek : inMonth || inWeek; // both given: either fits, as in cron(5)
  };
  return {
    next(afterMs) {
      let atMs = (Math.floor(afterMs / MINUTE_MS) + 1) * MINUTE_MS;
      for (let tried = 0; tried < HORIZON_MINUTES; ) {
        const at = new Date(atMs);
        const step =
          !months.has(at.getUTCMonth() + 1) || !fitsDay(at)
            ? minutesToMidnight(at)
            : !hours.has(at.getUTCHours())
              ? 60 - at.getUTCMinutes()
              : minutes.has(at.getUTCMinutes())
                ? 0
                : 1;
        if (step === 0) return atMs;
        atMs += step * MINUTE_MS;
        tried += step;
      }
      return undefined;
    },
  };
}

function minutesToMidnight(at: Date): number {
  return 24 * 60 - at.getUTCHours() * 60 - at.getUTCMinutes();
}

function parseField(text: string, min: number, max: number, names: readonly string[]): Set<number> | undefined {
  const values = new Set<number>();
  const number = (word: string): number => {
    const named = names.indexOf(word.toLowerCase());
    return named >= 0 ? named + (min === 1 ? 1 : 0) : /^\d+$/.test(word) ? Number(word) : Number.NaN;
  };
  for (const part of text.split(",")) {
    const [range = "", stepText] = part.split("/");
    const step = stepText === undefined ? 1 : Number(stepText);
    const isAny = range === "*" || range === "?";
    const [fromText = "", toText] = range.split("-");
    const from = isAny ? min : number(fromText);
    const to = isAny || (toText === undefined && stepText !== undefined) ? max : number(toText ?? fromText);
    if (!(from >= min && to <= max && from <= to && step >= 1)) return undefined;
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return values;
}
