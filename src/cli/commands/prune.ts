import type { Command } from "commander";
import type { CliContext } from "../context.ts";

/** `linkerd prune`: what an older version left on the cluster. */
export function define(command: Command, context: CliContext): void {
  command
    .option("-o, --output <format>", "yaml or json", "yaml")
    .addHelpText("before", "Examples:\n  linkerd prune | kubectl delete -f -\n")
    .action(async (flags: { output: string }) => {
      const { prune } = await import("../prune.ts");
      await prune(flags.output, context);
    });
}
