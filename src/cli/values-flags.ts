import type { Command } from "commander";
import { mergeValues } from "#manifests/install";
import { CliError, messageOf } from "./cli-error.ts";
import { readText, readValuesFile } from "./inputs.ts";
import type { Io } from "./io.ts";
import { setPath, splitAssignments } from "./set-syntax.ts";

/** Helm's flags for values, as typed. */
export interface ValuesFlags {
  set?: string[];
  setString?: string[];
  setFile?: string[];
  values?: string[];
}

/** Adds `--set`, `--set-string`, `--set-file` and `-f/--values`. */
export function addValuesFlags(command: Command): Command {
  const collect = (value: string, all: string[] = []) => [...all, value];
  return command
    .option("-f, --values <file-or-url>", "values in a YAML file or behind an HTTPS URL (repeatable)", collect)
    .option("--set <key=value>", "set a value, several joined by commas (repeatable)", collect)
    .option("--set-string <key=value>", "as --set, and keep the value as text (repeatable)", collect)
    .option("--set-file <key=path>", "set a value to the contents of a file (repeatable)", collect);
}

/** The tree that the flags spell: files first, in order, then `--set`, `--set-string` and `--set-file`. */
export async function readValuesFlags(flags: ValuesFlags, io: Io): Promise<Record<string, unknown>> {
  let tree: Record<string, unknown> = {};
  for (const name of flags.values ?? []) tree = mergeValues(tree, await readValuesFile(name, io));
  for (const text of flags.set ?? []) tree = assign(tree, "--set", text, typed);
  for (const text of flags.setString ?? []) tree = assign(tree, "--set-string", text, (value) => value);
  for (const text of flags.setFile ?? []) tree = assign(tree, "--set-file", text, readText);
  return tree;
}

function assign(
  tree: Record<string, unknown>,
  flag: string,
  text: string,
  read: (value: string) => unknown,
): Record<string, unknown> {
  try {
    let result = tree;
    for (const { path, value } of splitAssignments(text)) {
      result = setPath(result, path, Array.isArray(value) ? value.map(read) : read(value));
    }
    return result;
  } catch (cause) {
    throw new CliError(`Cannot read ${flag} "${text}": ${messageOf(cause)}`, { cause });
  }
}

/** As Helm reads a bare value: true, false, null, whole numbers, else text. */
function typed(value: string): unknown {
  if (value === "true") return true;
  if (value === "false") return false;
  if (value === "null") return null;
  if (/^-?(0|[1-9][0-9]*)$/.test(value)) return Number(value);
  return value;
}
