import { CONFIG_PREFIX } from "#contracts/labels";
import type { Container, Node, ObjectMeta, Pod } from "#kube";
import { LISTEN_ADDRESSES, PROXY_CONTAINER } from "./workload.ts";

/**
 * Keeps of a pod what translation reads. Pods are most of the memory of a large cluster. What is kept is copied down to
 * its texts: objects are never moved in memory, so one text that is kept would hold the place of all that came with it.
 */
export function trimPod(pod: Pod): Pod {
  return JSON.parse(JSON.stringify(keptOf(pod)));
}

function keptOf(pod: Pod): Pod {
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

/** Of the proxy's settings, some fifty, only where it listens is read. */
function trimContainer({ name, ports, env }: Container): Container {
  if (name !== PROXY_CONTAINER) return { name, ports };
  return { name, ports, env: env?.filter((variable) => LISTEN_ADDRESSES.has(variable.name)) };
}
