import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { addInstallFlags } from "../install-flags.ts";
import type { UpgradeFlags } from "../upgrade.ts";

/** `linkerd upgrade`: the manifest of this version with the configuration that is stored on the cluster. */
export function define(command: Command, context: CliContext): void {
  command
    .option("--crds", "print only the custom resource definitions")
    .option("--from-manifests <file>", "read the stored configuration from an install manifest (- for standard input)")
    .option("--force", "even when the issuer does not fit the trust roots of running proxies")
    .option("-o, --output <format>", "yaml or json", "yaml");
  addInstallFlags(command);
  command
    .addHelpText(
      "before",
      `Examples:
  linkerd upgrade --crds | kubectl apply -f -     # first the definitions
  linkerd upgrade | kubectl apply -f -            # then the control plane
  linkerd prune | kubectl delete -f -             # then what is left over
`,
    )
    .action(async (flags: UpgradeFlags) => {
      const { upgrade } = await import("../upgrade.ts");
      await upgrade(flags, context);
    });
}
