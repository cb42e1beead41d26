import type { Command } from "commander";
import { LABELS } from "#contracts/labels";
import {
  ApiError,
  apiVersionOf,
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CUSTOM_RESOURCE_DEFINITIONS,
  clusterScoped,
  type KubeClient,
  type KubeObject,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
  type ResourceType,
  ROLE_BINDINGS,
  ROLES,
  VALIDATING_WEBHOOK_CONFIGURATIONS,
} from "#kube";
import { CliError } from "../cli-error.ts";
import type { CliContext } from "../context.ts";
import { manifestFormat, printManifests } from "../manifest-output.ts";
import { meshedPods } from "../pods.ts";

/** What belongs to the control plane beyond what goes with its namespace. */
const KINDS: readonly ResourceType[] = [
  CLUSTER_ROLES,
  CLUSTER_ROLE_BINDINGS,
  ROLES,
  ROLE_BINDINGS,
  CUSTOM_RESOURCE_DEFINITIONS,
  clusterScoped("apiregistration.k8s.io", "v1", "apiservices", "APIService"),
  MUTATING_WEBHOOK_CONFIGURATIONS,
  VALIDATING_WEBHOOK_CONFIGURATIONS,
  NAMESPACES,
];

/** `linkerd uninstall`: names everything of the control plane, for `kubectl delete -f -`. */
export function define(command: Command, context: CliContext): void {
  command
    .option("-f, --force", "even when extensions or injected pods are left")
    .option("-o, --output <format>", "yaml or json", "yaml")
    .addHelpText("before", "Examples:\n  linkerd uninstall | kubectl delete -f -\n")
    .action((flags: { force?: boolean; output: string }) => uninstall(flags, context));
}

async function uninstall(flags: { force?: boolean; output: string }, context: CliContext): Promise<void> {
  const format = manifestFormat(flags.output);
  const client = await context.client();
  if (!flags.force) await refuseWhileInUse(client, context.linkerdNamespace);
  const found = await ownObjects(client, LABELS.controlPlaneNs);
  if (found.length === 0) context.io.err("No resources found to uninstall\n");
  context.io.out(printManifests(found, format));
}

/** Every object with the label, reduced to what deleting it needs. */
export async function ownObjects(client: KubeClient, labelSelector: string): Promise<object[]> {
  const found: object[] = [];
  for (const type of KINDS) {
    const { items } = await client.list(type, { labelSelector }).catch(ifNotServed);
    for (const { metadata } of items) {
      const { name, namespace } = metadata;
      found.push({
        apiVersion: apiVersionOf(type),
        kind: type.kind,
        metadata: { name, ...(namespace ? { namespace } : {}) },
      });
    }
  }
  return found;
}

/** A kind that the cluster does not know has no objects; any other failure would leave something behind unseen. */
function ifNotServed(failure: unknown): { items: KubeObject[] } {
  if (failure instanceof ApiError && failure.status === 404) return { items: [] };
  throw failure;
}

async function refuseWhileInUse(client: KubeClient, namespace: string): Promise<void> {
  const extended = (await client.list(NAMESPACES, { labelSelector: LABELS.extension })).items;
  const pods = (await meshedPods(client, namespace)).filter(
    ({ metadata }) =>
      metadata.namespace !== namespace && !extended.some((one) => one.metadata.name === metadata.namespace),
  );
  const problems: string[] = [];
  if (extended.length > 0) {
    const names = extended.map((one) => `\t* ${one.metadata.labels?.[LABELS.extension]}`);
    problems.push(
      `Please uninstall the following extensions before uninstalling the control-plane:\n${names.join("\n")}`,
    );
  }
  if (pods.length > 0) {
    const names = pods.map(({ metadata }) => `\t* ${metadata.namespace}/${metadata.name}`);
    problems.push(`Please uninject the following pods before uninstalling the control-plane:\n${names.join("\n")}`);
  }
  if (problems.length > 0) throw new CliError(`${problems.join("\n")}\nUse --force to uninstall nevertheless.`);
}
