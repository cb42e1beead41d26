import { CliError } from "../cli-error.ts";
import type { Io } from "../io.ts";
import { sign } from "../signs.ts";
import type { CheckOutcome, RunSummary } from "./engine.ts";

export type CheckFormat = "table" | "json" | "short";

/** Reads `check -o`. */
export function checkFormat(text: string): CheckFormat {
  if (text === "table" || text === "json" || text === "short") return text;
  throw new CliError(
    `Validation error when executing check command: Invalid output type '${text}'. Supported output types are: json, table, short`,
  );
}

const CLEAR_LINE = "\r\u001b[K";
const MAX_WAITING_CHARS = 76; // must not wrap, or only its last line would be replaced

/** Prints outcomes as they come; `finish` adds the verdict (or the whole, for JSON). */
export class CheckPrinter {
  readonly #io: Io;
  readonly #format: CheckFormat;
  #category: string | undefined;
  #isWaiting = false;

  constructor(io: Io, format: CheckFormat) {
    this.#io = io;
    this.#format = format;
  }

  /** Says on a terminal what is being waited for, on a line that the next one replaces. */
  waitFor(what: string): void {
    if (!this.#io.isTerminal) return;
    this.#io.err(`${CLEAR_LINE}… ${what.split("\n")[0]!.slice(0, MAX_WAITING_CHARS)}`);
    this.#isWaiting = true;
  }

  show(outcome: CheckOutcome): void {
    if (this.#isWaiting) this.#io.err(CLEAR_LINE);
    this.#isWaiting = false;
    if (this.#format === "json" || (this.#format === "short" && outcome.result === "success")) return;
    if (outcome.category !== this.#category) this.#header(outcome.category);
    this.#io.out(lineOf(outcome, this.#io));
  }

  finish(summary: RunSummary): void {
    if (this.#format === "json") {
      this.#io.out(`${JSON.stringify(asJson(summary), undefined, 2)}\n`);
      return;
    }
    const end = this.#category === undefined ? "" : "\n";
    this.#io.out(`${end}Status check results are ${sign(this.#io, summary.isSuccess ? "ok" : "failure")}\n`);
  }

  #header(category: string): void {
    const before = this.#category === undefined ? "" : "\n";
    this.#io.out(`${before}${category}\n${"-".repeat(category.length)}\n`);
    this.#category = category;
  }
}

function lineOf({ description, result, message, hint }: CheckOutcome, io: Io): string {
  const kind = result === "success" ? "ok" : result === "warning" ? "warning" : "failure";
  const head = `${sign(io, kind)} ${description}\n`;
  if (result === "success") return message ? `${head}${message}\n` : head;
  return `${head}    ${(message ?? "").replaceAll("\n", "\n    ")}\n    see ${hint} for hints\n`;
}

/** All outcomes at once in the given format. */
export function printResults(summary: RunSummary, format: CheckFormat, io: Io): void {
  const printer = new CheckPrinter(io, format);
  for (const outcome of summary.outcomes) printer.show(outcome);
  printer.finish(summary);
}

interface JsonCategory {
  categoryName: string;
  checks: { id: string; description: string; hint?: string; error?: string; result: string }[];
}

function asJson({ outcomes, isSuccess }: RunSummary): { success: boolean; categories: JsonCategory[] } {
  const categories: JsonCategory[] = [];
  for (const { category, id, description, result, message, hint } of outcomes) {
    let current = categories.at(-1);
    if (current?.categoryName !== category) {
      current = { categoryName: category, checks: [] };
      categories.push(current);
    }
    current.checks.push({
      id,
      description,
      ...(hint ? { hint } : {}),
      ...(result !== "success" && message ? { error: message } : {}),
      result,
    });
  }
  return { success: isSuccess, categories };
}
