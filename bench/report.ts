import { cpus } from "node:os";
import type { BenchOptions } from "./options.ts";
import type { Figures, Scenario } from "./scenarios/scenario.ts";

/** The medians of one subject in one scenario. */
export interface Row extends Figures {
  readonly name: string;
  readonly subject: string;
  addedP99Us?: number;
}

export interface Report {
  readonly machine: { cpus: number; model: string; secondsPerRun: number; rounds: number };
  readonly subjects: readonly string[];
  readonly scenarios: readonly Row[];
  /** `<scenario>/<peer>`: ours divided by the peer's, of the scenario's main figure; smaller is better. */
  readonly ratios: Record<string, number>;
}

export function makeReport(
  rows: readonly Row[],
  scenarios: readonly Scenario[],
  subjects: readonly string[],
  { seconds, rounds }: BenchOptions,
): Report {
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? "unknown", secondsPerRun: seconds, rounds };
  return { machine, subjects, scenarios: rows, ratios: ratios(rows, scenarios) };
}

export function medians(runs: readonly Figures[]): Figures {
  const result: Record<string, number> = {};
  for (const key of new Set(runs.flatMap(Object.keys))) {
    const values = runs.map((run) => run[key as keyof Figures]!).sort((a, b) => a - b);
    result[key] = round(values[Math.floor(values.length / 2)]);
  }
  return result;
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}

function ratios(rows: readonly Row[], scenarios: readonly Scenario[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { name: scenario, main } of scenarios) {
    const of = rows.filter(({ name }) => name === scenario);
    const ours = of.find(({ subject }) => subject === "linkerd-ts")?.[main];
    for (const { subject, [main]: theirs } of of) {
      if (subject === "linkerd-ts" || subject === "direct" || ours === undefined || !theirs) continue;
      found[`${scenario}/${subject}`] = Number((ours / theirs).toFixed(3));
    }
  }
  return found;
}

/** Field, heading and unit, in the order of a line. */
const COLUMNS: readonly [keyof Figures | "addedP99Us", (value: number) => string][] = [
  ["cpuUsPerRequest", (value) => `${value} µs CPU each`],
  ["cpuSPerGb", (value) => `${value} s CPU/GB`],
  ["perCpuSecond", (value) => `${value} per CPU second`],
  ["rps", (value) => `${value}/s`],
  ["p50Us", (value) => `p50 ${value} µs`],
  ["p99Us", (value) => `p99 ${value} µs`],
  ["p999Us", (value) => `p99.9 ${value} µs`],
  ["addedP99Us", (value) => `p99 added ${value} µs`],
  ["rssAnonKb", (value) => `RssAnon ${value} KB`],
  ["pssKb", (value) => `PSS ${value} KB`],
  ["rssKb", (value) => `RSS ${value} KB`],
  ["rssAnonAfterKb", (value) => `RssAnon after ${value} KB`],
  ["rssAnonPeakKb", (value) => `RssAnon at most ${value} KB`],
  ["listeningMs", (value) => `listening ${value} ms`],
  ["ms", (value) => `${value} ms`],
];

/** The report for people: a line for each subject, with its ratio where there is one. */
export function describe({ machine, scenarios: rows, ratios: found }: Report): string {
  const lines = [`${machine.cpus} × ${machine.model}, ${machine.rounds} rounds of ${machine.secondsPerRun} s, medians`];
  let last = "";
  for (const row of rows) {
    if (row.name !== last) lines.push("", row.name);
    last = row.name;
    const figures = COLUMNS.filter(([field]) => row[field] !== undefined).map(([field, text]) => text(row[field]!));
    const ratio = found[`${row.name}/${row.subject}`];
    const beside = ratio === undefined ? "" : `   (ours is ${ratio} of this)`;
    lines.push(`  ${row.subject.padEnd(11)} ${figures.join(", ")}${beside}`);
  }
  return `${lines.join("\n")}\n`;
}
