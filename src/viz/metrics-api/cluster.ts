import { LABELS } from "#contracts/labels";
import type { KubeObject, Pod } from "#kube/types";

/** What the answers need to know of the cluster, at one moment. */
export interface Cluster {
  pods(): readonly Pod[];
  replicaSets(): readonly KubeObject[];
  jobs(): readonly KubeObject[];
  /** Objects of a canonical kind that has pods, or services or namespaces. */
  objects(kind: string): readonly KubeObject[];
}

export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Which objects a pod belongs to, by canonical kind: its ReplicaSet and Deployment, its Job and CronJob, itself and its
 * namespace. Follows owner references, so that two Deployments with overlapping selectors are kept apart.
 */
export class Ownership {
  readonly #parents = new Map<string, { kind: string; name: string }>(); // "replicaset/ns/name" -> owner

  constructor(cluster: Cluster) {
    for (const [kind, objects] of [["replicaset", cluster.replicaSets()] as const, ["job", cluster.jobs()] as const]) {
      for (const object of objects) {
        const owner = ownerOf(object);
        if (owner) this.#parents.set(`${kind}/${object.metadata.namespace}/${object.metadata.name}`, owner);
      }
    }
  }

  /** Pairs of canonical kind and name, nearest first. */
  ownersOf(pod: Pod): { kind: string; name: string }[] {
    const chain: { kind: string; name: string }[] = [{ kind: "pod", name: pod.metadata.name! }];
    let owner = ownerOf(pod);
    while (owner && chain.length < 4) {
      chain.push(owner);
      owner = this.#parents.get(`${owner.kind}/${pod.metadata.namespace}/${owner.name}`);
    }
    chain.push({ kind: "namespace", name: pod.metadata.namespace! });
    return chain;
  }
}

function ownerOf(object: KubeObject): { kind: string; name: string } | undefined {
  const owner =
    object.metadata.ownerReferences?.find(({ controller }) => controller) ?? object.metadata.ownerReferences?.[0];
  return owner && { kind: owner.kind.toLowerCase(), name: owner.name };
}

/** The pod carries a proxy of this control plane. */
export function isMeshed(pod: Pod, controlPlaneNs: string): boolean {
  if (pod.metadata.labels?.[LABELS.controlPlaneNs] !== controlPlaneNs) return false;
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return containers.some(({ name }) => name === "linkerd-proxy");
}

/** Labels that a scrape adds to a proxy's samples: where it runs and what owns it. */
export function scrapeLabels(pod: Pod): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(pod.metadata.labels ?? {})) {
    const bare = name.startsWith("linkerd.io/") ? name.slice("linkerd.io/".length) : name;
    if (bare === "proxy-job") labels.k8s_job = value;
    else
      labels[
        (bare.startsWith("proxy-") && bare !== name ? bare.slice("proxy-".length) : bare).replace(/[^a-zA-Z0-9_]/g, "_")
      ] = value;
  }
  return { ...labels, namespace: pod.metadata.namespace!, pod: pod.metadata.name! };
}
