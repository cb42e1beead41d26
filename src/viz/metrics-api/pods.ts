import type { Pod as KubePod } from "#kube/types";
import type { ListPodsRequest, Pod } from "#proto/viz";
import { isMeshed, Ownership } from "./cluster.ts";
import { kindOf } from "./request.ts";
import type { StatContext } from "./stat-summary.ts";

const OWNER_CASES = {
  deployment: "deployment",
  replicaset: "replicaSet",
  replicationcontroller: "replicationController",
  statefulset: "statefulSet",
  daemonset: "daemonSet",
  job: "job",
} as const;

/** Pods with what their proxies say of themselves. `added` means that the store has metrics of the pod. */
export async function listPods(request: ListPodsRequest, context: StatContext, wallMs: number): Promise<Pod[]> {
  const { cluster, source, controlPlaneNs } = context;
  const started = await source.current({ metric: "process_start_time_seconds", matchers: [] }, ["namespace", "pod"]);
  const startedAt = new Map(started.map(({ labels, value }) => [`${labels.namespace}/${labels.pod}`, value]));
  const ownership = new Ownership(cluster);
  const wanted = request.selector?.resource;
  const kind = wanted && wanted.type !== "" ? kindOf(wanted.type) : undefined;
  return cluster
    .pods()
    .filter((pod) => !wanted || wanted.namespace === "" || pod.metadata.namespace === wanted.namespace)
    .filter(
      (pod) =>
        !kind || !wanted?.name || ownership.ownersOf(pod).some((one) => one.kind === kind && one.name === wanted.name),
    )
    .map((pod) =>
      toPod(pod, ownership, startedAt.get(`${pod.metadata.namespace}/${pod.metadata.name}`), controlPlaneNs, wallMs),
    );
}

function toPod(
  pod: KubePod,
  ownership: Ownership,
  startedAt: number | undefined,
  controlPlaneNs: string,
  wallMs: number,
): Pod {
  const owner = ownership.ownersOf(pod).findLast(({ kind }) => kind in OWNER_CASES);
  const proxy = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(
    ({ name }) => name === "linkerd-proxy",
  );
  const isOurs = isMeshed(pod, controlPlaneNs);
  return {
    name: `${pod.metadata.namespace}/${pod.metadata.name}`,
    podIP: pod.status?.podIP ?? "",
    owner: owner && {
      $case: OWNER_CASES[owner.kind as keyof typeof OWNER_CASES],
      value: `${pod.metadata.namespace}/${owner.name}`,
    },
    status: pod.status?.phase ?? "",
    added: startedAt !== undefined,
    sinceLastReport: undefined,
    controllerNamespace: isOurs ? controlPlaneNs : "",
    controlPlane: pod.metadata.namespace === controlPlaneNs,
    uptime:
      startedAt === undefined
        ? undefined
        : { seconds: BigInt(Math.max(0, Math.floor(wallMs / 1_000 - startedAt))), nanos: 0 },
    proxyReady: proxy?.ready ?? false,
    proxyVersion: proxy?.image.split(":")[1] ?? "",
    resourceVersion: pod.metadata.resourceVersion ?? "",
  };
}
