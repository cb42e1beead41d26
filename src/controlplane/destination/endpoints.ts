import { type Endpoint, type EndpointSlice, keyOf, type Pod, type Service } from "#kube";
import { WeightedAddr } from "#proto/destination";
import { type ClusterView, serviceOfSlice } from "./cluster-view.ts";
import type { DestinationOptions } from "./options.ts";
import { tcpAddress } from "./tcp-address.ts";
import { ENDPOINT_WEIGHT, translatePod } from "./workload.ts";

/** One endpoint as clients see it; `content` is its encoding, so that equal content means nothing to send. */
export interface Address {
  readonly message: WeightedAddr;
  readonly content: string;
}

/** The endpoints of a service's port as one group of clients sees them, by `ip:port`. Never changed once made. */
export interface AddressSet {
  readonly addresses: ReadonlyMap<string, Address>;
  /** False when there is no such service. */
  readonly exists: boolean;
}

export interface EndpointsQuestion {
  readonly service: string;
  readonly namespace: string;
  readonly port: number;
  /** Only the endpoint of this host name. */
  readonly hostname: string | undefined;
  /** The client's node; matters for `internalTrafficPolicy: Local`. */
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
}

export const NO_SERVICE: AddressSet = { addresses: new Map(), exists: false };

/** An endpoint that may be chosen, before clients' places are considered. */
interface Candidate {
  readonly ip: string;
  readonly port: number;
  readonly endpoint: Endpoint;
  readonly slice: EndpointSlice;
  readonly pod: Pod | undefined;
}

/** The endpoints that answer a question, as of what the cluster's view holds now. */
export function computeEndpoints(
  question: EndpointsQuestion,
  view: ClusterView,
  options: DestinationOptions,
): AddressSet {
  const service = view.services.get(question.service, question.namespace);
  if (!service) return NO_SERVICE;
  const candidates = preferIpv6(candidatesOf(question, service, view, options), options);
  const addresses = new Map<string, Address>();
  for (const candidate of filterByPlace(candidates, service, question)) {
    const key = keyOfAddress(candidate);
    if (!addresses.has(key)) addresses.set(key, translate(candidate, question, view, options));
  }
  return { addresses, exists: true };
}

/** Whether the answer depends on the client's node as well as its zone. */
export function dependsOnNode(service: Service | undefined): boolean {
  return service?.spec?.internalTrafficPolicy === "Local";
}

/** The single endpoint of a host name, for profiles; undefined when there is none. */
export function findHostEndpoint(
  question: Pick<EndpointsQuestion, "service" | "namespace" | "port" | "hostname">,
  view: ClusterView,
  options: DestinationOptions,
): { ip: string; port: number; pod: Pod | undefined } | undefined {
  const service = view.services.get(question.service, question.namespace);
  const all = { ...question, nodeName: undefined, zone: undefined };
  return service && preferIpv6(candidatesOf(all, service, view, options), options)[0];
}

function keyOfAddress({ ip, port }: Candidate): string {
  return `${ip}:${port}`;
}

function candidatesOf(
  question: EndpointsQuestion,
  service: Service,
  view: ClusterView,
  options: DestinationOptions,
): Candidate[] {
  const { namespace, port, hostname } = question;
  const servicePort = service.spec?.ports?.find((candidate) => candidate.port === port);
  const found: Candidate[] = [];
  const slices = view.slices.byIndex("service", keyOf(question.service, namespace));
  for (const slice of slices.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const isUsable = slice.addressType === "IPv4" || (slice.addressType === "IPv6" && options.enableIpv6);
    const target = isUsable ? targetPort(slice, servicePort?.name, servicePort ? undefined : port) : undefined;
    if (target === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false || (hostname !== undefined && endpoint.hostname !== hostname)) continue;
      const backing = backingPod(endpoint, slice, view);
      if (backing === "missing") continue;
      for (const ip of endpoint.addresses) found.push({ ip, port: target, endpoint, slice, pod: backing });
    }
  }
  return found;
}

/** A slice's port of the same name as the service's; a port the service does not define is taken as it is. */
function targetPort(
  slice: EndpointSlice,
  name: string | undefined,
  undefinedPort: number | undefined,
): number | undefined {
  if (!slice.ports) return undefined;
  if (undefinedPort !== undefined) return undefinedPort;
  return slice.ports.find((port) => (port.name ?? "") === (name ?? "") && (port.protocol ?? "TCP") === "TCP")?.port;
}

/** The pod behind an endpoint; undefined for a bare address; "missing" when the pod is not (or no longer) known. */
function backingPod({ targetRef }: Endpoint, slice: EndpointSlice, view: ClusterView): Pod | undefined | "missing" {
  if (!targetRef) return undefined;
  if (targetRef.kind !== "Pod" || !targetRef.name) return "missing";
  return view.pods.get(targetRef.name, targetRef.namespace ?? slice.metadata.namespace) ?? "missing";
}

/** Of a pod's two addresses, clients of a dual-stack cluster get the IPv6 one. */
function preferIpv6(candidates: readonly Candidate[], { enableIpv6 }: DestinationOptions): Candidate[] {
  if (!enableIpv6) return [...candidates];
  const hasIpv6 = new Set(candidates.filter(({ ip, pod }) => pod && ip.includes(":")).map(({ pod }) => pod));
  return candidates.filter(({ ip, pod }) => !pod || ip.includes(":") || !hasIpv6.has(pod));
}

/** Local traffic policy first, else zone hints; hints count only when every endpoint has them and some fit. */
function filterByPlace(
  candidates: readonly Candidate[],
  service: Service,
  { nodeName, zone }: EndpointsQuestion,
): readonly Candidate[] {
  if (dependsOnNode(service)) {
    return candidates.filter(({ pod }) => pod !== undefined && pod.spec?.nodeName === nodeName);
  }
  if (zone === undefined) return candidates;
  const hinted = (candidate: Candidate) => candidate.endpoint.hints?.forZones ?? [];
  if (candidates.some((candidate) => hinted(candidate).length === 0)) return candidates;
  const fitting = candidates.filter((candidate) => hinted(candidate).some((hint) => hint.name === zone));
  return fitting.length > 0 ? fitting : candidates;
}

function translate(
  candidate: Candidate,
  question: EndpointsQuestion,
  view: ClusterView,
  options: DestinationOptions,
): Address {
  const { endpoint, ip, port, pod } = candidate;
  const locality = localityOf(endpoint.zone, question.zone);
  const metricLabels: Record<string, string> = { zone_locality: locality };
  if (endpoint.zone) metricLabels["zone"] = endpoint.zone;
  const weight = options.zoneWeights && locality === "local" ? ENDPOINT_WEIGHT * 10 : ENDPOINT_WEIGHT;
  const servers = pod ? view.servers.list(pod.metadata.namespace) : [];
  const message = pod
    ? translatePod({ pod, ip, port, servers, metricLabels, weight }, options)
    : translateBare(candidate, question, metricLabels, weight, options);
  return { message, content: Buffer.from(WeightedAddr.encode(message).finish()).toString("latin1") };
}

function localityOf(endpointZone: string | undefined, clientZone: string | undefined): "local" | "remote" | "unknown" {
  if (!endpointZone || !clientZone) return "unknown";
  return endpointZone === clientZone ? "local" : "remote";
}

const GATEWAY_IDENTITY = "mirror.linkerd.io/remote-gateway-identity";
const REMOTE_SERVICE = "mirror.linkerd.io/remote-svc-fq-name";

/** An address without a workload: outside the cluster, or a gateway of another one, which its slice then says. */
function translateBare(
  { ip, port, slice }: Candidate,
  question: EndpointsQuestion,
  metricLabels: Record<string, string>,
  weight: number,
  options: DestinationOptions,
): WeightedAddr {
  const gateway = slice.metadata.annotations?.[GATEWAY_IDENTITY];
  const remote = slice.metadata.annotations?.[REMOTE_SERVICE];
  return {
    addr: tcpAddress(ip, port),
    weight,
    metricLabels: serviceOfSlice(slice) ? metricLabels : {},
    tlsIdentity: gateway
      ? { strategy: { $case: "dnsLikeIdentity", value: { name: gateway } }, serverName: undefined }
      : undefined,
    protocolHint:
      gateway && options.enableH2Upgrade
        ? { protocol: { $case: "h2", value: {} }, opaqueTransport: undefined }
        : undefined,
    authorityOverride: gateway && remote ? { authorityOverride: `${remote}:${question.port}` } : undefined,
    http2: gateway ? options.http2ClientParams : undefined,
    resourceRef: undefined,
  };
}
