import type { Command } from "commander";
import {
  addValuesFlags,
  type CliContext,
  CliError,
  manifestFormat,
  printManifests,
  readValuesFlags,
  storedValues,
  type ValuesFlags,
} from "#cli/extension";
import { defaultVizValues, type VizValues, vizManifests } from "../manifests.ts";

interface InstallFlags extends ValuesFlags {
  output: string;
  ignoreCluster?: boolean;
  skipChecks?: boolean;
}

/** `linkerd viz install`: the extension's manifest on standard output. */
export function defineInstall(viz: Command, context: CliContext): void {
  const command = viz
    .command("install")
    .summary("Output Kubernetes resources to install the viz extension")
    .option("-o, --output <format>", "yaml or json", "yaml")
    .option("--ignore-cluster", "do not look at a cluster")
    .option("--skip-checks", "do not check that the control plane is there")
    .addHelpText(
      "before",
      `Examples:
  linkerd viz install | kubectl apply -f -
  linkerd viz install --set prometheusUrl=http://prometheus.monitoring.svc.cluster.local:9090 | kubectl apply -f -
`,
    );
  addValuesFlags(command).action((flags: InstallFlags) => install(flags, context));
}

async function install(flags: InstallFlags, context: CliContext): Promise<void> {
  const format = manifestFormat(flags.output);
  const values = merged(defaultVizValues(), {
    linkerdNamespace: context.linkerdNamespace,
    ...(await readValuesFlags(flags, context.io)),
  });
  if (!flags.ignoreCluster && !flags.skipChecks) {
    const stored = await storedValues(await context.client(), context.linkerdNamespace);
    if (!stored) {
      throw new CliError(
        `No control plane in namespace ${context.linkerdNamespace}: install it first (linkerd install | kubectl apply -f -), or use --ignore-cluster`,
      );
    }
  }
  context.io.out(printManifests(vizManifests(values), format));
}

/** Values given by name over the defaults; an unknown name is refused, so that a typo does not pass in silence. */
function merged(defaults: VizValues, given: Record<string, unknown>): VizValues {
  return mergeKnown(defaults as unknown as Record<string, unknown>, given, "") as unknown as VizValues;
}

function mergeKnown(
  defaults: Record<string, unknown>,
  given: Record<string, unknown>,
  path: string,
): Record<string, unknown> {
  const result = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    const usual = defaults[key];
    if (usual === undefined)
      throw new CliError(`Unknown value "${path}${key}": wanted one of ${Object.keys(defaults).join(", ")}`);
    const isMap = typeof usual === "object" && typeof value === "object" && value !== null;
    result[key] = isMap
      ? mergeKnown(usual as Record<string, unknown>, value as Record<string, unknown>, `${path}${key}.`)
      : value;
  }
  return result;
}
