import { parseArgs } from "node:util";

export interface BenchOptions {
  readonly isJson: boolean;
  /** Scenarios to run; empty for all. */
  readonly only: readonly string[];
  /** Length of each measured run. */
  readonly seconds: number;
  /** Alternating runs of each subject; medians of them are reported. */
  readonly rounds: number;
}

const USAGE = "--json, --only NAME (repeatable), --seconds N, --rounds N";

export function readOptions(args: readonly string[], known: readonly string[]): BenchOptions {
  const { values } = parse(args);
  const unknown = (values.only ?? []).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`Unknown scenario ${unknown.join(", ")}: wanted one of ${known.join(", ")}`);
  return {
    isJson: values.json ?? false,
    only: values.only ?? [],
    seconds: positive("seconds", values.seconds ?? "3"),
    rounds: positive("rounds", values.rounds ?? "5"),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        json: { type: "boolean" },
        only: { type: "string", multiple: true },
        seconds: { type: "string" },
        rounds: { type: "string" },
      },
    });
  } catch (cause) {
    throw new Error(`Cannot read the options: ${(cause as Error).message}: wanted ${USAGE}`);
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`Cannot use --${name} "${text}": wanted a whole number`);
  return value;
}
