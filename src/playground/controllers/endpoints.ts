import type { Pod, Service, ServicePort } from "#kube/types";
import { selectorMatches } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import { type Controller, type ControllerContext, controlledBy, keyOf, splitKey } from "./controller.ts";
import { isReady, type PodObject } from "./pods.ts";
import { WorkQueue } from "./work-queue.ts";

const SLICES = "endpointslices.discovery.k8s.io";
const SERVICE_LABEL = "kubernetes.io/service-name";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const MANAGER = "endpointslice-controller.k8s.io";
const MAX_PER_SLICE = 1_000; // Kubernetes' own upper bound

type ServiceObject = Service & KubeObject;

/** Keeps EndpointSlices and Endpoints of every Service with a selector. */
export const endpoints: Controller = (context) => {
  const queue = new WorkQueue("endpoints", context, (key) => reconcile(context, key));
  const servicesOf = (namespace: string | undefined): KubeObject[] =>
    context.client.list("services", namespace ? { namespace } : {});
  const podLabels = new Map<string, Record<string, string>>(); // as last seen, for those that lose a label
  const stops = [
    context.client.watch("services", {}, ({ object }) => queue.add(keyOf(object))),
    context.client.watch("pods", {}, ({ type, object }) => {
      const { uid = "", labels = {}, namespace } = object.metadata;
      const before = podLabels.get(uid) ?? labels;
      if (type === "DELETED") podLabels.delete(uid);
      else podLabels.set(uid, labels);
      for (const service of servicesOf(namespace))
        if (selects(service as ServiceObject, labels) || selects(service as ServiceObject, before))
          queue.add(keyOf(service));
    }),
    context.client.watch(SLICES, {}, ({ type, object }) => {
      const service = object.metadata.labels?.[SERVICE_LABEL];
      if (type === "DELETED" && service) queue.add(`${object.metadata.namespace}/${service}`);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    queue.stop();
  };
};

function selects(service: ServiceObject, labels: Record<string, string>): boolean {
  const selector = service.spec?.selector;
  return (
    selector !== undefined && Object.keys(selector).length > 0 && selectorMatches({ matchLabels: selector }, labels)
  );
}

async function reconcile(context: ControllerContext, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const service = context.client.get("services", namespace, name) as ServiceObject | undefined;
  const isOurs =
    service?.spec?.selector && Object.keys(service.spec.selector).length > 0 && service.spec.type !== "ExternalName";
  const existing = context.client
    .list(SLICES, { namespace, labelSelector: `${SERVICE_LABEL}=${name}` })
    .filter((slice) => slice.metadata.labels?.[MANAGED_BY] === MANAGER);
  if (!service || !isOurs) {
    for (const slice of existing) await context.client.delete(SLICES, namespace, slice.metadata.name);
    if (!service && context.client.get("endpoints", namespace, name))
      await context.client.delete("endpoints", namespace, name);
    return;
  }
  const pods = context.client.list("pods", { namespace }) as PodObject[];
  const groups = groupPods(
    service,
    pods.filter((pod) => selects(service, pod.metadata.labels ?? {}) && isAddressable(pod)),
  );
  await writeSlices(context, service, existing, groups);
  await writeEndpoints(context, service, groups);
}

/** Pods whose target ports resolve to the same numbers share slices. */
export interface PodGroup {
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: string;
    readonly appProtocol?: string;
  }[];
  readonly pods: readonly Pod[];
}

/** Pure: which pods go into which slice. */
export function groupPods(service: Service, pods: readonly Pod[]): PodGroup[] {
  const groups = new Map<string, { ports: PodGroup["ports"]; pods: Pod[] }>();
  const sorted = [...pods].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const pod of sorted) {
    const ports = (service.spec?.ports ?? []).flatMap((port) => resolvePort(port, pod));
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, pods: [] };
    group.pods.push(pod);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function resolvePort(port: ServicePort, pod: Pod): PodGroup["ports"] {
  const target = port.targetPort ?? port.port;
  const protocol = port.protocol ?? "TCP";
  const declared = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].flatMap(
    (container) => container.ports ?? [],
  );
  const named = (): number | undefined =>
    declared.find((candidate) => candidate.name === target && (candidate.protocol ?? "TCP") === protocol)
      ?.containerPort;
  const number = typeof target === "number" ? target : named();
  if (number === undefined) return [];
  return [
    { name: port.name ?? "", port: number, protocol, ...(port.appProtocol ? { appProtocol: port.appProtocol } : {}) },
  ];
}

function isAddressable(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return Boolean(pod.status?.podIP) && phase !== "Succeeded" && phase !== "Failed";
}

async function writeSlices(
  context: ControllerContext,
  service: ServiceObject,
  existing: readonly KubeObject[],
  groups: readonly PodGroup[],
): Promise<void> {
  const wanted = slicesOf(service, groups);
  for (const slice of wanted) {
    const old = existing.find((candidate) => candidate.metadata.name === slice.metadata.name);
    if (!old) await context.client.create(SLICES, slice);
    else if (!isSameSlice(old, slice)) await context.client.update(SLICES, merged(old, slice));
  }
  const names = new Set(wanted.map((slice) => slice.metadata.name));
  for (const old of existing)
    if (!names.has(old.metadata.name)) await context.client.delete(SLICES, old.metadata.namespace, old.metadata.name);
}

function isSameSlice(old: KubeObject, slice: KubeObject): boolean {
  const parts = ["endpoints", "ports"] as const;
  const hasSameLabels = Object.entries(slice.metadata.labels ?? {}).every(
    ([key, value]) => old.metadata.labels?.[key] === value,
  );
  return hasSameLabels && parts.every((part) => sameJson(old[part], slice[part]));
}

function merged(old: KubeObject, slice: KubeObject): KubeObject {
  const labels = { ...old.metadata.labels, ...slice.metadata.labels };
  return {
    ...cloneObject(old),
    endpoints: slice["endpoints"],
    ports: slice["ports"],
    metadata: { ...cloneObject(old.metadata), labels },
  };
}

function slicesOf(service: ServiceObject, groups: readonly PodGroup[]): KubeObject[] {
  const all = groups.length > 0 ? groups : [{ ports: [], pods: [] }];
  const slices = all.flatMap((group) => {
    const count = Math.max(1, Math.ceil(group.pods.length / MAX_PER_SLICE));
    return Array.from({ length: count }, (_, i) => ({
      ...group,
      pods: group.pods.slice(i * MAX_PER_SLICE, (i + 1) * MAX_PER_SLICE),
    }));
  });
  return slices.map((group, index) => sliceOf(service, group, index));
}

function sliceOf(service: ServiceObject, group: PodGroup, index: number): KubeObject {
  const { name, namespace, uid = "" } = service.metadata;
  const isHeadless = service.spec?.clusterIP === "None";
  const suffix = Bun.hash.xxHash32(`${uid}${index}`).toString(36).padStart(5, "0").slice(0, 5);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${suffix}`,
      ...(namespace ? { namespace } : {}),
      labels: {
        ...service.metadata.labels,
        [SERVICE_LABEL]: name,
        [MANAGED_BY]: MANAGER,
        ...(isHeadless ? { "service.kubernetes.io/headless": "" } : {}),
      },
      ownerReferences: [controlledBy(service, "v1", "Service")],
    },
    addressType: "IPv4",
    endpoints: group.pods.map((pod) => endpointOf(service, pod)),
    ports: group.ports.map((port) => ({ ...port })),
  };
}

function endpointOf(service: ServiceObject, pod: Pod): Record<string, unknown> {
  const isTerminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isReady(pod) || service.spec?.publishNotReadyAddresses === true;
  const hostname = pod.spec?.subdomain === service.metadata.name ? pod.spec.hostname : undefined;
  return {
    addresses: [pod.status!.podIP!],
    conditions: {
      ready: serving && (!isTerminating || service.spec?.publishNotReadyAddresses === true),
      serving,
      terminating: isTerminating,
    },
    ...(hostname ? { hostname } : {}),
    nodeName: pod.spec?.nodeName,
    zone: "zone-a",
    targetRef: { kind: "Pod", namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
  };
}

/** The older form of the same, which some clients still read. */
async function writeEndpoints(
  context: ControllerContext,
  service: ServiceObject,
  groups: readonly PodGroup[],
): Promise<void> {
  const { name, namespace } = service.metadata;
  const subsets = groups
    .filter((group) => group.ports.length > 0 || service.spec?.clusterIP === "None")
    .map((group) => subsetOf(service, group));
  const wanted = subsets.filter(
    (subset) => subset["addresses"] !== undefined || subset["notReadyAddresses"] !== undefined,
  );
  const old = context.client.get("endpoints", namespace, name);
  const labels = { ...service.metadata.labels, "endpoints.kubernetes.io/managed-by": "endpoint-controller" };
  if (!old) {
    await context.client.create("endpoints", {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { name, ...(namespace ? { namespace } : {}), labels },
      subsets: wanted,
    });
  } else if (!sameJson(old["subsets"] ?? [], wanted))
    await context.client.update("endpoints", { ...cloneObject(old), subsets: wanted });
}

function subsetOf(service: ServiceObject, group: PodGroup): Record<string, unknown> {
  const address = (pod: Pod): object => {
    const { addresses, hostname, nodeName, targetRef } = endpointOf(service, pod) as {
      addresses: string[];
      hostname?: string;
      nodeName?: string;
      targetRef: object;
    };
    return { ip: addresses[0], ...(hostname ? { hostname } : {}), nodeName, targetRef };
  };
  const isUp = (pod: Pod): boolean => (endpointOf(service, pod)["conditions"] as { ready: boolean }).ready;
  const up = group.pods.filter(isUp).map(address);
  const down = group.pods.filter((pod) => !isUp(pod)).map(address);
  return {
    ...(up.length > 0 ? { addresses: up } : {}),
    ...(down.length > 0 ? { notReadyAddresses: down } : {}),
    ports: group.ports.map((port) => ({ ...port })),
  };
}
