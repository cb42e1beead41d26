import { LABELS } from "#contracts/labels";
import {
  ENDPOINT_SLICES,
  type EndpointSlice,
  Informer,
  type KubeClient,
  keyOf,
  NODES,
  type Node,
  PODS,
  type Pod,
  SERVERS,
  SERVICE_PROFILES,
  SERVICES,
  type Server,
  type Service,
  type ServiceProfile,
} from "#kube";
import type { Log } from "#lib/log";
import { trimNode, trimPod } from "./trim.ts";

/** The part of an informer that translation reads. */
export interface View<T> {
  get(name: string, namespace?: string): T | undefined;
  list(namespace?: string): T[];
  byIndex(index: string, key: string): T[];
}

/** The objects of one cluster, answered from memory. */
export interface ClusterView {
  /** Index `clusterIp`. */
  readonly services: View<Service>;
  /** Indexes `service` and `pod`, both by `namespace/name`. */
  readonly slices: View<EndpointSlice>;
  /** Indexes `podIp` and `hostIp`. */
  readonly pods: View<Pod>;
  readonly nodes: View<Node>;
  readonly servers: View<Server>;
  /** Index `fqdn`: profiles of that name in any namespace. */
  readonly profiles: View<ServiceProfile>;
}

export const INDEXES = {
  services: { clusterIp: (service: Service) => service.spec?.clusterIPs ?? [service.spec?.clusterIP ?? ""] },
  slices: {
    service: (slice: EndpointSlice) => [keyOf(serviceOfSlice(slice) ?? "", slice.metadata.namespace)],
    pod: (slice: EndpointSlice) => podsOfSlice(slice),
  },
  pods: {
    podIp: (pod: Pod) => (pod.spec?.hostNetwork ? [] : podIps(pod)),
    hostIp: (pod: Pod) => (pod.status?.hostIP ? [pod.status.hostIP] : []),
  },
  profiles: { fqdn: (profile: ServiceProfile) => [profile.metadata.name] },
} as const;

/** The service a slice belongs to: by label, or by owner. */
export function serviceOfSlice(slice: EndpointSlice): string | undefined {
  const owner = slice.metadata.ownerReferences?.find((reference) => reference.kind === "Service");
  return slice.metadata.labels?.[LABELS.serviceName] ?? owner?.name;
}

export function podIps(pod: Pod): string[] {
  const ips = pod.status?.podIPs?.map(({ ip }) => ip ?? "") ?? [];
  return ips.length > 0 ? ips : pod.status?.podIP ? [pod.status.podIP] : [];
}

function podsOfSlice(slice: EndpointSlice): string[] {
  const refs = (slice.endpoints ?? []).map((endpoint) => endpoint.targetRef).filter((ref) => ref?.kind === "Pod");
  return [...new Set(refs.map((ref) => keyOf(ref?.name ?? "", ref?.namespace ?? slice.metadata.namespace)))];
}

/** Informers for everything destination reads. */
export function watchCluster(client: KubeClient, log: Log) {
  return {
    services: new Informer({ client, log, type: SERVICES, indexes: INDEXES.services }),
    slices: new Informer({ client, log, type: ENDPOINT_SLICES, indexes: INDEXES.slices }),
    pods: new Informer({ client, log, type: PODS, indexes: INDEXES.pods, trim: trimPod }),
    nodes: new Informer({ client, log, type: NODES, trim: trimNode }),
    servers: new Informer({ client, log, type: SERVERS, optional: true }),
    profiles: new Informer({ client, log, type: SERVICE_PROFILES, indexes: INDEXES.profiles, optional: true }),
  };
}

export type ClusterInformers = ReturnType<typeof watchCluster>;
