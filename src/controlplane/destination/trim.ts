import { CONFIG_PREFIX } from "#contracts/labels";
import type { Container, Node, ObjectMeta, Pod } from "#kube";
import { PROXY_CONTAINER } from "./workload.ts";

/** Keeps of a pod what translation reads. Pods are most of the memory of a large cluster. */
export function trimPod(pod: Pod): Pod {
  const { spec, status } = pod;
  return {
    metadata: { ...trimMeta(pod.metadata), annotations: configAnnotations(pod.metadata.annotations) },
    spec: {
      containers: (spec?.containers ?? []).map(trimContainer),
      initContainers: spec?.initContainers?.map(trimContainer),
      nodeName: spec?.nodeName,
      hostNetwork: spec?.hostNetwork,
      serviceAccountName: spec?.serviceAccountName,
    },
    status: { phase: status?.phase, podIP: status?.podIP, podIPs: status?.podIPs, hostIP: status?.hostIP },
  };
}

/** Keeps of a node its labels, where its zone stands. */
export function trimNode(node: Node): Node {
  return { metadata: trimMeta(node.metadata) };
}

function trimMeta(meta: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion, labels, ownerReferences, deletionTimestamp } = meta;
  return { name, namespace, uid, resourceVersion, labels, ownerReferences, deletionTimestamp };
}

function configAnnotations(annotations: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([name]) => name.startsWith(CONFIG_PREFIX)));
}

function trimContainer({ name, ports, env }: Container): Container {
  return name === PROXY_CONTAINER ? { name, ports, env } : { name, ports };
}
