import { LABELS } from "#contracts/labels";
import type { OwnerReference } from "#kube/types";
import type { Meta } from "./workload.ts";

/** What a pod belongs to, as reports, labels and metrics name it. */
export interface Owner {
  /** Lower case. */
  readonly kind: string;
  readonly name: string;
  readonly apiVersion: string;
  readonly uid: string | undefined;
}

/** Finds the owner references of a ReplicaSet or Job; undefined when it is not there. */
export type FindOwners = (
  kind: "ReplicaSet" | "Job",
  namespace: string,
  name: string,
) => Promise<readonly OwnerReference[] | undefined>;

const REPLICA_SET_OWNERS = new Set(["Job", "StatefulSet", "DaemonSet", "Deployment"]);

/**
 * A pod's owner, one step up from a ReplicaSet or Job where that step is known (an Argo Rollout's
 * ReplicaSet stands for itself). A pod with no owner, or more than one, is its own.
 */
export async function resolveOwner(pod: Meta, namespace: string, find: FindOwners): Promise<Owner> {
  const direct = pod.ownerReferences ?? [];
  const only = direct[0];
  if (direct.length !== 1 || !only) {
    return { kind: "pod", name: pod.name ?? pod.generateName ?? "", apiVersion: "v1", uid: pod.uid };
  }
  if (only.kind !== "ReplicaSet" && only.kind !== "Job") return asOwner(only);
  const above = await find(only.kind, namespace, only.name);
  const parent = above?.length === 1 ? above[0] : undefined;
  if (!parent) return asOwner(only);
  if (only.kind === "ReplicaSet" && !REPLICA_SET_OWNERS.has(parent.kind)) return asOwner(only);
  return asOwner(parent);
}

function asOwner({ kind, name, apiVersion, uid }: OwnerReference): Owner {
  return { kind: kind.toLowerCase(), name, apiVersion, uid };
}

const OWNER_LABELS: Readonly<Record<string, string>> = {
  deployment: LABELS.proxyDeployment,
  replicationcontroller: LABELS.proxyReplicationController,
  replicaset: LABELS.proxyReplicaSet,
  job: LABELS.proxyJob,
  daemonset: LABELS.proxyDaemonSet,
  statefulset: LABELS.proxyStatefulSet,
};

/** The label that names a pod's owner; a CronJob has one only where its own template is being injected. */
export function ownerLabel(kind: string, inCronJobTemplate: boolean): string | undefined {
  if (kind === "cronjob") return inCronJobTemplate ? LABELS.proxyCronJob : undefined;
  return OWNER_LABELS[kind];
}
