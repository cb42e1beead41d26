import { LABELS } from "#contracts/labels";
import { type Container, type KubeClient, PODS, type Pod } from "#kube";

/** Pods that carry a proxy of this control plane; all namespaces unless one is named. */
export async function meshedPods(client: KubeClient, linkerdNamespace: string, namespace?: string): Promise<Pod[]> {
  const labelSelector = `${LABELS.controlPlaneNs}=${linkerdNamespace}`;
  const { items } = await client.list(PODS, { labelSelector, namespace: namespace || undefined });
  return items.filter((pod) => proxyContainerOf(pod) !== undefined);
}

/** The proxy's container, a sidecar of either kind. */
export function proxyContainerOf(pod: Pod): Container | undefined {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return containers.find((container) => container.name === "linkerd-proxy");
}

/** The tag of the proxy's image. */
export function proxyVersion(pod: Pod): string | undefined {
  const image = proxyContainerOf(pod)?.image;
  const tag = image
    ?.slice(image.lastIndexOf("/") + 1)
    .split("@")[0]
    ?.split(":")[1];
  return tag ?? pod.metadata.annotations?.["linkerd.io/proxy-version"];
}

/** Whether the proxy's container has passed its readiness probe. */
export function isProxyReady(pod: Pod): boolean {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return statuses.find((status) => status.name === "linkerd-proxy")?.ready === true;
}

/** Whether the pod is past its life: done, evicted, or shut down with its node. */
export function isOver(pod: Pod): boolean {
  const { phase = "", reason = "" } = pod.status ?? {};
  return phase === "Succeeded" || ["Completed", "NodeShutdown", "Shutdown", "Terminated", "Evicted"].includes(reason);
}
