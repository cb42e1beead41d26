import { identityName } from "#contracts/identity-name";
import { ANNOTATIONS, LABELS } from "#contracts/labels";
import { PORTS } from "#contracts/ports";
import type { Container, Pod, Server } from "#kube";
import { selectorMatches } from "#kube";
import type { ProtocolHint, TlsIdentity, WeightedAddr } from "#proto/destination";
import type { Metadata } from "#proto/meta";
import type { DestinationOptions } from "./options.ts";
import { PortSet } from "./port-set.ts";
import { tcpAddress } from "./tcp-address.ts";

export const PROXY_CONTAINER = "linkerd-proxy";
export const ENDPOINT_WEIGHT = 10_000;

/** What is known about an endpoint beside its address. */
export interface PodAddress {
  readonly pod: Pod;
  readonly ip: string;
  readonly port: number;
  /** Servers of the pod's namespace. */
  readonly servers: readonly Server[];
  readonly metricLabels: Readonly<Record<string, string>>;
  readonly weight?: number;
}

/** A pod's port as a proxy is to reach it: by which protocol, through which port, as which identity. */
export function translatePod(address: PodAddress, options: DestinationOptions): WeightedAddr {
  const { pod, port } = address;
  const isReachedByProxy = isMeshed(pod) && !skippedPorts(pod).has(port);
  const isOpaque = isOpaquePort(address, options);
  return {
    addr: tcpAddress(address.ip, port),
    weight: address.weight ?? ENDPOINT_WEIGHT,
    metricLabels: { ...podLabels(pod), ...address.metricLabels },
    tlsIdentity: isReachedByProxy ? tlsIdentity(pod, options) : undefined,
    protocolHint: isReachedByProxy ? protocolHint(pod, port, isOpaque, options) : undefined,
    authorityOverride: undefined,
    http2: isReachedByProxy ? options.http2ClientParams : undefined,
    resourceRef: undefined as Metadata | undefined,
  };
}

/** Whether a pod runs a proxy of any control plane. The label without the container counts as unmeshed. */
export function isMeshed(pod: Pod): boolean {
  return Boolean(pod.metadata.labels?.[LABELS.controlPlaneNs]) && proxyContainer(pod) !== undefined;
}

/** Opaque by annotation (or default), or by a Server that selects this pod and port. */
export function isOpaquePort(
  { pod, port, servers }: Omit<PodAddress, "ip" | "metricLabels">,
  options: DestinationOptions,
): boolean {
  const annotated = pod.metadata.annotations?.[ANNOTATIONS.opaquePorts];
  const ports =
    annotated === undefined ? options.defaultOpaquePorts : PortSet.parse(annotated, (name) => namedPort(pod, name));
  return ports.has(port) || servers.some((server) => isOpaqueServer(server, pod, port));
}

function isOpaqueServer({ spec }: Server, pod: Pod, port: number): boolean {
  if (spec.proxyProtocol !== "opaque" || !selectorMatches(spec.podSelector, pod.metadata.labels)) return false;
  return typeof spec.port === "number" ? spec.port === port : namedPort(pod, spec.port) === port;
}

function skippedPorts(pod: Pod): PortSet {
  return PortSet.parse(pod.metadata.annotations?.[ANNOTATIONS.skipInboundPorts] ?? "", (name) => namedPort(pod, name));
}

function containers(pod: Pod): readonly Container[] {
  return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
}

function namedPort(pod: Pod, name: string): number | undefined {
  const ports = containers(pod).flatMap((container) => container.ports ?? []);
  return ports.find((port) => port.name === name && (port.protocol ?? "TCP") === "TCP")?.containerPort;
}

function proxyContainer(pod: Pod): Container | undefined {
  return containers(pod).find((container) => container.name === PROXY_CONTAINER);
}

type Listener = "INBOUND" | "ADMIN" | "CONTROL";

function listenAddress(listener: Listener): string {
  return `LINKERD2_PROXY_${listener}_LISTEN_ADDR`;
}

/** The settings of a pod's proxy that are read here. */
export const LISTEN_ADDRESSES: ReadonlySet<string> = new Set(
  (["INBOUND", "ADMIN", "CONTROL"] as const).map(listenAddress),
);

/** A listener's port from the proxy's own environment; its usual port when the value is not literal. */
function proxyPort(pod: Pod, listener: Listener, usual: number): number {
  const name = listenAddress(listener);
  const value = proxyContainer(pod)?.env?.find((variable) => variable.name === name)?.value;
  const port = Number(/:(\d{1,5})$/.exec(value ?? "")?.[1]);
  return port >= 1 && port <= 65_535 ? port : usual;
}

function protocolHint(
  pod: Pod,
  port: number,
  isOpaque: boolean,
  options: DestinationOptions,
): ProtocolHint | undefined {
  const protocol: ProtocolHint["protocol"] = isOpaque
    ? { $case: "opaque", value: {} }
    : options.enableH2Upgrade
      ? { $case: "h2", value: {} }
      : undefined;
  const isProxysOwn =
    port === proxyPort(pod, "ADMIN", PORTS.proxyAdmin) || port === proxyPort(pod, "CONTROL", PORTS.proxyTap);
  const isTransported = !isProxysOwn && (options.forceOpaqueTransport || isOpaque);
  const opaqueTransport = isTransported ? { inboundPort: proxyPort(pod, "INBOUND", PORTS.proxyInbound) } : undefined;
  return protocol || opaqueTransport ? { protocol, opaqueTransport } : undefined;
}

/** Only pods of our own control plane can be verified: another's trust roots are not ours. */
function tlsIdentity(pod: Pod, { controlPlaneNs, trustDomain }: DestinationOptions): TlsIdentity | undefined {
  const { namespace = "", labels } = pod.metadata;
  if (labels?.[LABELS.controlPlaneNs] !== controlPlaneNs || trustDomain === "") return undefined;
  const serviceAccount = pod.spec?.serviceAccountName || "default";
  return dnsIdentity(identityName({ serviceAccount, namespace, controlPlaneNs, trustDomain }));
}

function dnsIdentity(name: string): TlsIdentity {
  return { strategy: { $case: "dnsLikeIdentity", value: { name } }, serverName: { name } };
}

function podLabels(pod: Pod): Record<string, string> {
  const { name, labels = {} } = pod.metadata;
  const result: Record<string, string> = { pod: name };
  const owner = ownerOf(pod);
  if (owner) result[owner.kind] = owner.name;
  if (pod.spec?.serviceAccountName) result["serviceaccount"] = pod.spec.serviceAccountName;
  const controlPlane = labels[LABELS.controlPlaneNs];
  if (controlPlane) result["control_plane_ns"] = controlPlane;
  const hash = labels["pod-template-hash"];
  if (hash) result["pod_template_hash"] = hash;
  return result;
}

/**
 * What a person would name as the pod's owner. A ReplicaSet that a Deployment made is called `<deployment>-<hash>`,
 * with the hash also on the pod: that saves watching all ReplicaSets.
 */
function ownerOf(pod: Pod): { kind: string; name: string } | undefined {
  const references = pod.metadata.ownerReferences ?? [];
  const owner = references.find((reference) => reference.controller) ?? references[0];
  if (!owner) return undefined;
  const hash = pod.metadata.labels?.["pod-template-hash"];
  if (owner.kind === "ReplicaSet" && hash && owner.name.endsWith(`-${hash}`)) {
    return { kind: "deployment", name: owner.name.slice(0, -hash.length - 1) };
  }
  return { kind: owner.kind.toLowerCase(), name: owner.name };
}
