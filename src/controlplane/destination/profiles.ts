import { ANNOTATIONS } from "#contracts/labels";
import type { Pod, Service } from "#kube";
import type { DestinationProfile } from "#proto/destination";
import type { Metadata } from "#proto/meta";
import { serviceFqdn } from "./authority.ts";
import { type ClusterView, podIps } from "./cluster-view.ts";
import type { DestinationOptions } from "./options.ts";
import { PortSet } from "./port-set.ts";
import { DEFAULT_RETRY_BUDGET, translateProfile } from "./service-profile.ts";
import { tcpAddress } from "./tcp-address.ts";
import { ENDPOINT_WEIGHT, isOpaquePort, translatePod } from "./workload.ts";

/** What could not be decided because several objects claim the same address. */
export class AmbiguousAddress extends Error {
  override readonly name = "AmbiguousAddress";
}

export interface ServiceProfileQuestion {
  readonly service: string;
  readonly namespace: string;
  readonly port: number;
  readonly clientNs: string | undefined;
}

export interface ServiceProfileAnswer {
  readonly profile: DestinationProfile;
  /** The ServiceProfile that is in error; the profile then stands without it. */
  readonly error: string | undefined;
  readonly warnings: readonly string[];
}

const EMPTY: DestinationProfile = {
  fullyQualifiedName: "",
  opaqueProtocol: false,
  routes: [],
  retryBudget: undefined,
  dstOverrides: [],
  endpoint: undefined,
  parentRef: undefined,
  profileRef: undefined,
};

/** How a service's port is to be treated; undefined when there is no such service. A port it does not define gets an empty profile. */
export function serviceProfile(
  question: ServiceProfileQuestion,
  view: ClusterView,
  options: DestinationOptions,
): ServiceProfileAnswer | undefined {
  const { namespace, port } = question;
  const service = view.services.get(question.service, namespace);
  if (!service) return undefined;
  if (!service.spec?.ports?.some((candidate) => candidate.port === port))
    return { profile: EMPTY, error: undefined, warnings: [] };
  const fqdn = serviceFqdn(question.service, namespace, options.clusterDomain);
  const chosen = chooseProfile(view, fqdn, question);
  const translated = chosen && translateProfile(chosen, port);
  const used = translated?.value ? chosen : undefined;
  const profile: DestinationProfile = {
    ...EMPTY,
    retryBudget: DEFAULT_RETRY_BUDGET,
    ...translated?.value,
    fullyQualifiedName: fqdn,
    opaqueProtocol: isOpaqueServicePort(service, port, options),
    parentRef: resource("core", "Service", question.service, namespace, port),
    profileRef: resource(
      "linkerd.io",
      used ? "ServiceProfile" : "",
      used?.metadata.name ?? "",
      used?.metadata.namespace ?? "",
      0,
    ),
  };
  return { profile, error: translated?.error, warnings: translated?.warnings ?? [] };
}

/** The client's own namespace may override what the service's namespace says. */
function chooseProfile(view: ClusterView, fqdn: string, { namespace, clientNs }: ServiceProfileQuestion) {
  const own = clientNs === undefined ? undefined : view.profiles.get(fqdn, clientNs);
  return own ?? view.profiles.get(fqdn, namespace);
}

function isOpaqueServicePort(service: Service, port: number, options: DestinationOptions): boolean {
  const annotated = service.metadata.annotations?.[ANNOTATIONS.opaquePorts];
  return (annotated === undefined ? options.defaultOpaquePorts : PortSet.parse(annotated)).has(port);
}

function resource(group: string, kind: string, name: string, namespace: string, port: number): Metadata {
  return { kind: { $case: "resource", value: { group, kind, name, namespace, section: "", port } } };
}

/** How an address that is no service is to be treated. Throws `AmbiguousAddress` when several pods have it. */
export function endpointProfile(
  ip: string,
  port: number,
  view: ClusterView,
  options: DestinationOptions,
): DestinationProfile {
  const byIp = view.pods.byIndex("podIp", ip).filter(isAlive);
  if (byIp.length > 1) throw new AmbiguousAddress(`Several pods have the address ${ip}: ${names(byIp)}`);
  if (byIp[0]) return podProfile(byIp[0], ip, port, view, options);
  const byHost = view.pods.byIndex("hostIp", ip).filter(isAlive);
  for (const pod of byHost) {
    const mapped = pod.spec?.containers
      .flatMap((container) => container.ports ?? [])
      .find((mapping) => mapping.hostPort === port);
    if (mapped) return podProfile(pod, podIps(pod)[0] ?? ip, mapped.containerPort, view, options, ip, port);
  }
  return {
    ...EMPTY,
    retryBudget: DEFAULT_RETRY_BUDGET,
    opaqueProtocol: options.defaultOpaquePorts.has(port),
    endpoint: bareEndpoint(ip, port),
  };
}

/** The profile of one pod's port. `hostIp` and `hostPort` are where it is reached when that is not the pod itself. */
export function podProfile(
  pod: Pod,
  ip: string,
  port: number,
  view: ClusterView,
  options: DestinationOptions,
  hostIp = ip,
  hostPort = port,
): DestinationProfile {
  const { namespace = "" } = pod.metadata;
  const servers = view.servers.list(namespace);
  const endpoint = translatePod({ pod, ip, port, servers, metricLabels: { namespace } }, options);
  return {
    ...EMPTY,
    retryBudget: DEFAULT_RETRY_BUDGET,
    opaqueProtocol: isOpaquePort({ pod, port, servers }, options),
    endpoint: { ...endpoint, addr: tcpAddress(hostIp, hostPort) },
  };
}

function bareEndpoint(ip: string, port: number): DestinationProfile["endpoint"] {
  return {
    addr: tcpAddress(ip, port),
    weight: ENDPOINT_WEIGHT,
    metricLabels: {},
    tlsIdentity: undefined,
    protocolHint: undefined,
    authorityOverride: undefined,
    http2: undefined,
    resourceRef: undefined,
  };
}

function isAlive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && pod.metadata.deletionTimestamp === undefined;
}

function names(pods: readonly Pod[]): string {
  return pods
    .slice(0, 5)
    .map((pod) => `${pod.metadata.namespace}/${pod.metadata.name}`)
    .join(", ");
}
