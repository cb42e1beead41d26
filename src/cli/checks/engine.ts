import { messageOf } from "../cli-error.ts";
import { type Io, wait } from "../io.ts";

/** One line of `linkerd check`. */
export interface Check {
  readonly description: string;
  /** The anchor under which the documentation says what to do. */
  readonly hint: string;
  /** A failure ends the whole run. */
  readonly fatal?: boolean;
  /** A failure is only a warning. */
  readonly warning?: boolean;
  /** Tried again until the run's deadline. */
  readonly retry?: boolean;
  /** Throws to fail, throws `SkipCheck` when there is nothing to look at; text that it returns is shown. */
  run(): Promise<unknown>;
}

export interface Category {
  /** As printed: `linkerd-identity`. */
  readonly id: string;
  readonly checks: readonly Check[];
  /** Where hints lead; the project's own page unless said otherwise. */
  readonly hintBase?: string;
}

/** Thrown by a check that has nothing to look at: no line is printed. */
export class SkipCheck extends Error {
  override readonly name = "SkipCheck";
}

export interface CheckOutcome {
  readonly category: string;
  /** The check's anchor (`l5d-existence-linkerd-config`): stable, for scripts. */
  readonly id: string;
  readonly description: string;
  readonly result: "success" | "warning" | "error";
  /** Why not, or what a passed check adds. */
  readonly message: string | undefined;
  /** A URL; undefined on success. */
  readonly hint: string | undefined;
}

export interface RunOptions {
  readonly io: Io;
  /** Instant (monotonic) after which nothing is tried again. */
  readonly deadlineMs: number;
  /** Told of each outcome as it comes. */
  readonly onOutcome?: (outcome: CheckOutcome) => void;
  /** Told when a check is about to be tried again. */
  readonly onRetry?: (check: Check, failure: string) => void;
}

export interface RunSummary {
  readonly outcomes: readonly CheckOutcome[];
  /** No error; warnings count as success. */
  readonly isSuccess: boolean;
}

export const HINT_BASE = "https://linkerd.io/2/checks/#";
const RETRY_MS = 5_000;
const ATTEMPT_TIMEOUT_MS = 30_000;

/** Runs categories in order. After a fatal failure no further check runs. */
export async function runChecks(categories: readonly Category[], options: RunOptions): Promise<RunSummary> {
  const outcomes: CheckOutcome[] = [];
  for (const category of categories) {
    for (const check of category.checks) {
      const outcome = await runOne(category, check, options);
      if (!outcome) continue;
      outcomes.push(outcome);
      options.onOutcome?.(outcome);
      if (outcome.result === "error" && check.fatal) return summary(outcomes);
    }
  }
  return summary(outcomes);
}

function summary(outcomes: readonly CheckOutcome[]): RunSummary {
  return { outcomes, isSuccess: outcomes.every((outcome) => outcome.result !== "error") };
}

/** Undefined when the check had nothing to look at. */
async function runOne(category: Category, check: Check, options: RunOptions): Promise<CheckOutcome | undefined> {
  const { io, deadlineMs } = options;
  const { id, hintBase = HINT_BASE } = category;
  for (;;) {
    try {
      const said = await withinTime(check, io);
      const message = typeof said === "string" ? said : undefined;
      return {
        category: id,
        id: check.hint,
        description: check.description,
        result: "success",
        message,
        hint: undefined,
      };
    } catch (failure) {
      if (failure instanceof SkipCheck) return undefined;
      const message = messageOf(failure);
      if (check.retry && io.clock.monotonicMs() + RETRY_MS < deadlineMs) {
        options.onRetry?.(check, message);
        await wait(io, RETRY_MS);
        continue;
      }
      const result = check.warning ? "warning" : "error";
      return {
        category: id,
        id: check.hint,
        description: check.description,
        result,
        message,
        hint: hintBase + check.hint,
      };
    }
  }
}

async function withinTime(check: Check, io: Io): Promise<unknown> {
  let cancel = () => {};
  const tooLate = new Promise<never>((_, reject) => {
    const timer = io.clock.schedule(ATTEMPT_TIMEOUT_MS, () =>
      reject(new Error(`no result within ${ATTEMPT_TIMEOUT_MS / 1000} s`)),
    );
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([check.run(), tooLate]);
  } finally {
    cancel();
  }
}
