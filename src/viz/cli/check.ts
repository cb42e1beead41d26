import type { Command } from "commander";
import { type CliContext, type ReportFlags, reportChecks } from "#cli/extension";
import { vizChecks } from "./checks.ts";

/** `linkerd viz check`: the extension's own checks, without the control plane's. */
export function defineCheck(viz: Command, context: CliContext): void {
  viz
    .command("check")
    .summary("Check the viz extension for potential problems")
    .option("-o, --output <format>", "table, json or short", "table")
    .option("--wait <duration>", "how long to retry what may still come up", "5m0s")
    .addHelpText(
      "before",
      `Examples:
  linkerd viz check
  linkerd viz check -o short --wait 10s    # only what is wrong, soon
`,
    )
    .action((flags: ReportFlags) => reportChecks([() => vizChecks(context)], flags, context));
}
