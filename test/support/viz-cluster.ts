import { LABELS } from "#contracts/labels";
import type { KubeObject, Pod } from "#kube/types";
import type { Cluster } from "../../src/viz/metrics-api/cluster.ts";
import { MemoryStore } from "../../src/viz/metrics-api/store.ts";

export interface ShopDeployment {
  readonly name: string;
  readonly isMeshed?: boolean;
  readonly phase?: string;
}

/** A cluster of Deployments in the namespace `shop`, one pod each, as viz sees it. */
export function shopCluster(deployments: readonly ShopDeployment[]): Cluster {
  const object = (kind: string, name: string, owner?: { kind: string; name: string }): KubeObject => ({
    kind,
    metadata: {
      name,
      ...(kind === "Namespace" ? {} : { namespace: "shop" }),
      ...(owner ? { ownerReferences: [{ apiVersion: "apps/v1", uid: owner.name, controller: true, ...owner }] } : {}),
    },
  });
  const pods = deployments.map(({ name, isMeshed = true, phase = "Running" }) => podOf(object, name, isMeshed, phase));
  const byKind: Record<string, readonly KubeObject[]> = {
    deployment: deployments.map(({ name }) => object("Deployment", name)),
    replicaset: deployments.map(({ name }) => object("ReplicaSet", `${name}-1`, { kind: "Deployment", name })),
    service: deployments.map(({ name }) => object("Service", name)),
    namespace: [object("Namespace", "shop")],
    pod: pods,
  };
  return {
    pods: () => pods,
    replicaSets: () => byKind.replicaset,
    jobs: () => [],
    objects: (kind) => byKind[kind] ?? [],
  };
}

function podOf(
  object: (kind: string, name: string, owner?: { kind: string; name: string }) => KubeObject,
  name: string,
  isMeshed: boolean,
  phase: string,
): Pod {
  const bare = object("Pod", `${name}-1-a`, { kind: "ReplicaSet", name: `${name}-1` });
  const proxy = {
    name: "linkerd-proxy",
    env: [
      {
        name: "LINKERD2_PROXY_IDENTITY_LOCAL_NAME",
        value: "$(_pod_sa).$(_pod_ns).serviceaccount.identity.linkerd.cluster.local",
      },
    ],
  };
  const labels = isMeshed ? { [LABELS.controlPlaneNs]: "linkerd", [LABELS.proxyDeployment]: name } : {};
  return {
    ...bare,
    metadata: { ...bare.metadata, labels },
    spec: { serviceAccountName: name, containers: [{ name }], initContainers: isMeshed ? [proxy] : [] },
    status: { phase },
  } as Pod;
}

/** A store that has watched every pod from before its first request; `scrape` adds one reading, ten seconds later each. */
export function watchedStore(cluster: Cluster) {
  let nowMs = 0;
  const store = new MemoryStore({ wallMs: () => nowMs, retentionMs: 600_000, staleAfterMs: 30_000, maxSeries: 10_000 });
  const labelsOf = (deployment: string) => ({ namespace: "shop", deployment, pod: `${deployment}-1-a` });
  for (const { metadata } of cluster.objects("deployment")) store.ingest(metadata.name!, "", labelsOf(metadata.name!));
  return {
    store,
    scrape(deployment: string, text: string): void {
      nowMs += 10_000;
      store.ingest(deployment, text, labelsOf(deployment));
    },
  };
}
