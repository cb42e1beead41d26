import { LABELS } from "#contracts/labels";
import {
  apiVersionOf,
  CLUSTER_ROLE_BINDINGS,
  CLUSTER_ROLES,
  CONFIG_MAPS,
  CRON_JOBS,
  CUSTOM_RESOURCE_DEFINITIONS,
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  type KubeObject,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  POD_DISRUPTION_BUDGETS,
  REPLICATION_CONTROLLERS,
  type ResourceType,
  ROLE_BINDINGS,
  ROLES,
  SECRETS,
  SERVICE_ACCOUNTS,
  SERVICE_PROFILES,
  SERVICES,
  STATEFUL_SETS,
  VALIDATING_WEBHOOK_CONFIGURATIONS,
} from "#kube";
import { crdObjects, defaultValues } from "#manifests/install";
import type { CliContext } from "./context.ts";
import { manifestFormat, printManifests } from "./manifest-output.ts";
import { renderControlPlane } from "./render.ts";
import { overridesOnCluster } from "./stored-overrides.ts";
import { layered } from "./values-layers.ts";

/** Kinds that some version of the control plane has had. */
const KINDS: readonly ResourceType<KubeObject>[] = [
  CONFIG_MAPS,
  CRON_JOBS,
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  REPLICATION_CONTROLLERS,
  SECRETS,
  SERVICES,
  SERVICE_PROFILES,
  STATEFUL_SETS,
  ROLES,
  ROLE_BINDINGS,
  SERVICE_ACCOUNTS,
  POD_DISRUPTION_BUDGETS,
  CLUSTER_ROLES,
  CLUSTER_ROLE_BINDINGS,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  VALIDATING_WEBHOOK_CONFIGURATIONS,
  CUSTOM_RESOURCE_DEFINITIONS,
];

/** Prints what carries the control plane's label but is not in this version's manifest. */
export async function prune(output: string, context: CliContext): Promise<void> {
  const format = manifestFormat(output);
  const client = await context.client();
  const stored = await overridesOnCluster(client, context.linkerdNamespace);
  const rendered = await renderControlPlane(layered(defaultValues(), stored), context);
  const wanted = new Set(
    [...rendered, ...crdObjects({ gatewayApi: true })].map((object) => keyOf(object.kind, object)),
  );
  const labelSelector = `${LABELS.controlPlaneNs}=${context.linkerdNamespace}`;
  const surplus: object[] = [];
  for (const type of KINDS) {
    const { items } = await client.list(type, { labelSelector });
    for (const object of items.filter((one) => !wanted.has(keyOf(type.kind, one)) && !isOwned(one))) {
      const { name, namespace } = object.metadata;
      surplus.push({
        apiVersion: apiVersionOf(type),
        kind: type.kind,
        metadata: { name, ...(namespace ? { namespace } : {}) },
      });
    }
  }
  context.io.out(printManifests(surplus, format));
}

function keyOf(kind: string, { metadata }: { metadata: { name: string; namespace?: string } }): string {
  return `${kind}|${metadata.namespace ?? ""}|${metadata.name}`;
}

/** What an owner made goes with its owner; what belongs to an extension is the extension's to prune. */
function isOwned({ metadata }: KubeObject): boolean {
  return (metadata.ownerReferences?.length ?? 0) > 0 || metadata.labels?.[LABELS.extension] !== undefined;
}
