import { LABELS } from "#contracts/labels";
import { NAMESPACES } from "#kube";
import { CliError } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import type { ExtensionEntry } from "../extension.ts";
import { cniPlugin } from "./cni.ts";
import { dataPlane } from "./data-plane.ts";
import type { Category } from "./engine.ts";
import { configuration, existence, extensionNamespaces, highAvailability } from "./existence.ts";
import { Facts } from "./facts.ts";
import { dataPlaneIdentity, identity } from "./identity.ts";
import { gatewayApi, kubernetesApi, kubernetesVersion, linkerdCrds } from "./kubernetes.ts";
import { preInstall } from "./pre-install.ts";
import { type ReportFlags, readReportFlags, reportChecks } from "./report.ts";
import { cliVersion, controlPlaneProxies, controlPlaneVersion } from "./versions.ts";
import { webhooks } from "./webhooks.ts";

/** The flags of `linkerd check`. */
export interface CheckFlags extends ReportFlags {
  pre?: boolean;
  crds?: boolean;
  proxy?: boolean;
  namespace?: string;
  linkerdCniEnabled?: boolean;
  expectedVersion?: string;
  cliVersionOverride?: string;
}

/** Runs and prints the checks that the flags ask for. */
export async function check(
  flags: CheckFlags,
  context: CliContext,
  extensions: readonly ExtensionEntry[],
): Promise<void> {
  validate(flags);
  const hasExtensions = !flags.pre && !flags.crds;
  await reportChecks(
    [
      () => coreCategories(flags, new Facts(context)),
      () => (hasExtensions ? extensionCategories(flags, context, extensions) : []),
    ],
    flags,
    context,
  );
}

function validate(flags: CheckFlags): void {
  const invalid = (why: string) => new CliError(`Validation error when executing check command: ${why}`);
  if (flags.pre && flags.proxy) throw invalid("--pre and --proxy flags are mutually exclusive");
  if (flags.pre && flags.crds) throw invalid("--pre and --crds flags are mutually exclusive");
  if (flags.linkerdCniEnabled && !flags.pre) throw invalid("--linkerd-cni-enabled can only be used with --pre");
  readReportFlags(flags);
}

/** The categories of a mode, in Linkerd's order. */
export function coreCategories(flags: CheckFlags, facts: Facts): Category[] {
  const versions = { expected: flags.expectedVersion, cli: flags.cliVersionOverride };
  const namespace = flags.namespace ?? "";
  const cluster = [kubernetesApi(facts), kubernetesVersion(facts), gatewayApi(facts)];
  if (flags.pre) {
    const cni = flags.linkerdCniEnabled ? [cniPlugin(facts, true)] : [];
    return [...cluster, preInstall(facts), ...cni, cliVersion(versions)];
  }
  if (flags.crds) return [...cluster, linkerdCrds(facts), cliVersion(versions)];
  return [
    ...cluster,
    existence(facts),
    configuration(facts),
    cniPlugin(facts, false),
    identity(facts),
    webhooks(facts),
    ...(flags.proxy ? [dataPlaneIdentity(facts, namespace)] : []),
    cliVersion(versions),
    ...(flags.proxy ? [] : [controlPlaneVersion(facts, versions)]),
    controlPlaneProxies(facts, versions),
    ...(flags.proxy ? [dataPlane(facts, namespace, versions)] : []),
    highAvailability(facts),
    ...(flags.proxy ? [] : [extensionNamespaces(facts)]),
  ];
}

/** The checks of extensions that are installed; one whose code is not here becomes a warning. */
async function extensionCategories(
  flags: CheckFlags,
  context: CliContext,
  known: readonly ExtensionEntry[],
): Promise<Category[]> {
  const installed = await installedExtensions(context).catch(() => []);
  const categories: Category[] = [];
  for (const name of installed) {
    const entry = known.find((one) => one.name === name);
    if (!entry) {
      categories.push(missingExtension(name));
      continue;
    }
    const extension = await entry.load();
    const options = { pre: false, proxy: flags.proxy === true, namespace: flags.namespace ?? "" };
    categories.push(...(await extension.checks(context, options)));
  }
  return categories;
}

async function installedExtensions(context: CliContext): Promise<string[]> {
  const { items } = await (await context.client()).list(NAMESPACES, { labelSelector: LABELS.extension });
  return [...new Set(items.map(({ metadata }) => metadata.labels?.[LABELS.extension] ?? ""))].filter(Boolean).sort();
}

function missingExtension(name: string): Category {
  const run = async () => {
    throw new Error(`the extension "${name}" is installed on the cluster, but this executable does not contain it`);
  };
  const description = `Linkerd extension command linkerd-${name} exists`;
  return { id: `linkerd-${name}`, checks: [{ description, hint: "extensions", warning: true, run }] };
}
