import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { addInstallFlags, type InstallFlags } from "../install-flags.ts";

/** `linkerd install`: the control plane's manifest on standard output. */
export function define(command: Command, context: CliContext): void {
  command
    .option("--crds", "print only the custom resource definitions")
    .option("--ignore-cluster", "do not look at a cluster")
    .option("-o, --output <format>", "yaml or json", "yaml")
    .option("--cluster-domain <domain>", "DNS domain of the cluster")
    .option("--identity-trust-domain <domain>", "domain of workload names in certificates")
    .option("--identity-external-issuer", "the issuer's Secret is made by someone else, such as cert-manager")
    .option("--identity-external-ca", "the trust roots' ConfigMap is made by someone else, such as trust-manager");
  addInstallFlags(command);
  command.action(async (flags: InstallFlags) => {
    const { install } = await import("../install.ts"); // certificates and manifests are for those who want them
    await install(flags, context);
  });
  command.addHelpText(
    "before",
    `Examples:
  linkerd install --crds | kubectl apply -f -        # first the definitions
  linkerd install | kubectl apply -f -               # then the control plane
  linkerd install --ha | kubectl apply -f -          # three replicas, spread over nodes
  linkerd install --set proxy.logLevel=debug --ignore-cluster > linkerd.yaml
`,
  );
}
