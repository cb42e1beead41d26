import { parseDuration } from "#lib/duration";
import { CliError } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import { type Category, type CheckOutcome, runChecks } from "./engine.ts";
import { type CheckFormat, CheckPrinter, checkFormat } from "./print.ts";

/** How a check command prints, and how long it waits for what may still come up. */
export interface ReportFlags {
  output: string;
  wait: string;
}

/** The outcome has been printed; only the status is left to say. */
class FailedCheck extends CliError {
  constructor() {
    super("", { exitCode: 1 });
  }
}

/** Refuses flags that cannot be read, before anything runs. */
export function readReportFlags(flags: ReportFlags): { format: CheckFormat; waitMs: number } {
  const { value, error } = parseDuration(flags.wait);
  if (value === undefined) throw new CliError(`Validation error when executing check command: --wait: ${error}`);
  return { format: checkFormat(flags.output), waitMs: value };
}

/** Runs groups of checks one after another, printing as outcomes come; throws when one failed. */
export async function reportChecks(
  groups: readonly (() => Category[] | Promise<Category[]>)[],
  flags: ReportFlags,
  context: CliContext,
): Promise<void> {
  const { format, waitMs } = readReportFlags(flags);
  const { io } = context;
  const printer = new CheckPrinter(io, format);
  const options = {
    io,
    deadlineMs: io.clock.monotonicMs() + waitMs,
    onOutcome: (outcome: CheckOutcome) => printer.show(outcome),
    onRetry: ({ description }: { description: string }, failure: string) => {
      printer.waitFor(`${description}: ${failure}`);
      if (context.globals.verbose && !io.isTerminal) io.err(`${description}: ${failure}; trying again\n`);
    },
  };
  const outcomes: CheckOutcome[] = [];
  let isSuccess = true;
  for (const categories of groups) {
    const summary = await runChecks(await categories(), options);
    outcomes.push(...summary.outcomes);
    isSuccess &&= summary.isSuccess;
  }
  printer.finish({ outcomes, isSuccess });
  if (!isSuccess) throw new FailedCheck();
}
