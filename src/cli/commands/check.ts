import type { Command } from "commander";
import type { CheckFlags } from "../checks/run.ts";
import type { CliContext } from "../context.ts";
import type { Known } from "../known.ts";

/** `linkerd check`. */
export function define(command: Command, context: CliContext, { extensions }: Known): void {
  command
    .option("--pre", "may this cluster take the control plane?")
    .option("--crds", "look at the custom resource definitions only")
    .option("--proxy", "look at the data plane too")
    .option("-n, --namespace <namespace>", "namespace for --proxy; all by default")
    .option("--linkerd-cni-enabled", "with --pre: the CNI plugin is to be used")
    .option("--expected-version <version>", "what everything should run")
    .option("--cli-version-override <version>", "pretend to be this version")
    .option("-o, --output <format>", "table, json or short", "table")
    .option("--wait <duration>", "how long to retry what may still come up", "5m0s")
    .addHelpText(
      "before",
      `Examples:
  linkerd check --pre              # before the install
  linkerd check                    # after it
  linkerd check --proxy -n shop    # the proxies of one namespace
  linkerd check -o short           # only what is wrong
`,
    )
    .action(async (flags: CheckFlags) => {
      const { check } = await import("../checks/run.ts"); // the checks bring certificates along
      await check(flags, context, extensions);
    });
}
