import {
  DAEMON_SETS,
  DEPLOYMENTS,
  type KubeClient,
  type KubeObject,
  PODS,
  type Pod,
  REPLICA_SETS,
  type ResourceType,
  STATEFUL_SETS,
} from "#kube";
import { CliError } from "./cli-error.ts";
import type { ResourceArgument } from "./resource-argument.ts";

interface Selecting extends KubeObject {
  spec?: { selector?: { matchLabels?: Record<string, string> } };
}

const OWNERS: Readonly<Record<string, ResourceType<Selecting>>> = {
  deployment: DEPLOYMENTS,
  statefulset: STATEFUL_SETS,
  daemonset: DAEMON_SETS,
  replicaset: REPLICA_SETS,
};

/** The pods behind `po/x`, `deploy/x` and the like. */
export async function podsBehind(client: KubeClient, resource: ResourceArgument, namespace: string): Promise<Pod[]> {
  if (resource.kind === "pod") {
    const pod = await client.get(PODS, resource.name, namespace);
    if (!pod) throw new CliError(`pods "${resource.name}" not found in the namespace ${namespace}`);
    return [pod];
  }
  const type = OWNERS[resource.kind];
  if (!type)
    throw new CliError(
      `Cannot list the pods of a ${resource.kind}: give a pod or one of ${Object.keys(OWNERS).join(", ")}`,
    );
  const owner = await client.get(type, resource.name, namespace);
  if (!owner) throw new CliError(`${resource.kind} "${resource.name}" not found in the namespace ${namespace}`);
  const labels = owner.spec?.selector?.matchLabels ?? {};
  const labelSelector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  return (await client.list(PODS, { namespace, labelSelector })).items;
}
