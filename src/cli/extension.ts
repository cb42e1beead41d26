/**
 * The seam that extensions plug into: what `viz` and `multicluster` need to look and behave like the rest of `linkerd`.
 * An extension is a value; `bin/mesh.ts` lists them, and each is loaded only when its name is typed or `check` runs.
 */
import type { Command } from "commander";
import type { Category } from "./checks/engine.ts";
import type { CliContext } from "./context.ts";

export interface ExtensionCheckOptions {
  /** Before the extension is installed. */
  readonly pre: boolean;
  /** Look at the data plane too, in `namespace` (empty for all). */
  readonly proxy: boolean;
  readonly namespace: string;
}

export interface Extension {
  /** The word after `linkerd`, and the value of the label `linkerd.io/extension` on its namespace. */
  readonly name: string;
  /** Adds the extension's commands under `command`, which is `linkerd <name>`. */
  commands(command: Command, context: CliContext): void;
  /** What `linkerd check` and `linkerd <name> check` look at. */
  checks(context: CliContext, options: ExtensionCheckOptions): Category[] | Promise<Category[]>;
}

/** What is known of an extension before it is loaded. */
export interface ExtensionEntry {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  load(): Promise<Extension>;
}

export { type AuthorizationRow, authorizationsFor } from "./authz.ts";
export { type Category, type Check, type CheckOutcome, runChecks, SkipCheck } from "./checks/engine.ts";
export { type CheckFormat, printResults } from "./checks/print.ts";
export { type ReportFlags, reportChecks } from "./checks/report.ts";
export { CliError, messageOf } from "./cli-error.ts";
export { CliContext, type GlobalOptions } from "./context.ts";
export { storedValues } from "./installed.ts";
export { type Io, wait } from "./io.ts";
export { manifestFormat, printManifests } from "./manifest-output.ts";
export { parseOne, parseResources, type ResourceArgument } from "./resource-argument.ts";
export { SIGNS, sign } from "./signs.ts";
export * from "./table.ts";
export { addValuesFlags, readValuesFlags, type ValuesFlags } from "./values-flags.ts";
