import type {
  AuthorizationPolicy,
  EgressNetwork,
  ExternalWorkload,
  GrpcRoute,
  HttpLocalRateLimitPolicy,
  HttpRoute,
  KubeObject,
  MeshTlsAuthentication,
  NetworkAuthentication,
  ParentRef,
  Pod,
  Server,
  ServerAuthorization,
  Service,
  TcpRoute,
  TlsRoute,
} from "#kube/types";
import type { IpNetwork } from "#net/address";
import type { NetworkMatch } from "../core/addresses.ts";
import type { DefaultPolicy } from "../core/authorization.ts";

/** Objects of one kind, from memory. Informers and plain stores both are this. */
export interface Objects<T extends KubeObject> {
  get(name: string, namespace?: string): T | undefined;
  list(namespace?: string): T[];
}

/** Objects that can also be found under keys of `BY_PARENT` or `BY_CLUSTER_IP`. */
export interface IndexedObjects<T extends KubeObject> extends Objects<T> {
  byIndex(index: string, key: string): T[];
}

/** The part of the cluster that policy is made of. */
export interface PolicyObjects {
  readonly pods: Objects<Pod>;
  readonly externalWorkloads: Objects<ExternalWorkload>;
  readonly servers: Objects<Server>;
  readonly serverAuthorizations: Objects<ServerAuthorization>;
  readonly authorizationPolicies: Objects<AuthorizationPolicy>;
  readonly meshTlsAuthentications: Objects<MeshTlsAuthentication>;
  readonly networkAuthentications: Objects<NetworkAuthentication>;
  readonly rateLimits: Objects<HttpLocalRateLimitPolicy>;
  /** Of `policy.linkerd.io`. */
  readonly policyHttpRoutes: IndexedObjects<HttpRoute>;
  /** Of the Gateway API, as the next three. */
  readonly gatewayHttpRoutes: IndexedObjects<HttpRoute>;
  readonly grpcRoutes: IndexedObjects<GrpcRoute>;
  readonly tlsRoutes: IndexedObjects<TlsRoute>;
  readonly tcpRoutes: IndexedObjects<TcpRoute>;
  readonly services: IndexedObjects<Service>;
  readonly egressNetworks: Objects<EgressNetwork>;
}

/** What the controller is told once, at start. */
export interface PolicyConfig {
  readonly clusterNetworks: readonly IpNetwork[];
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly controlPlaneNs: string;
  readonly defaultPolicy: DefaultPolicy;
  /** As the `opaque-ports` annotation writes them. */
  readonly defaultOpaquePorts: string;
  readonly probeNetworks: readonly IpNetwork[];
  readonly globalEgressNamespace: string;
  readonly allowL5dRequestHeaders: boolean;
}

/** The index of routes under what they attach to: keys are `parentKey`. */
export const BY_PARENT = "parent";
/** The index of Services under their cluster IPs, canonical text. */
export const BY_CLUSTER_IP = "cluster-ip";

type Route = KubeObject & { spec?: { parentRefs?: ParentRef[] } };

/** Index function of routes. */
export function parentKeys(route: Route): string[] {
  const keys = (route.spec?.parentRefs ?? []).map((ref) => parentKey(ref, route.metadata.namespace ?? ""));
  return [...new Set(keys)];
}

/** `service/shop/web`: whom a reference means, case and the two spellings of the core group set aside. */
export function parentKey(ref: ParentRef, routeNamespace: string): string {
  const group = (ref.group ?? "").toLowerCase();
  const kind = (ref.kind ?? "").toLowerCase();
  return `${group === "core" ? "" : group}/${kind}/${ref.namespace ?? routeNamespace}/${ref.name}`;
}

export const serverKey = (namespace: string, name: string): string => `policy.linkerd.io/server/${namespace}/${name}`;
export const serviceKey = (namespace: string, name: string): string => `/service/${namespace}/${name}`;
export const egressKey = (namespace: string, name: string): string =>
  `policy.linkerd.io/egressnetwork/${namespace}/${name}`;

/** Index function of Services. */
export function clusterIps(service: Service): string[] {
  const ips = service.spec?.clusterIPs ?? (service.spec?.clusterIP ? [service.spec.clusterIP] : []);
  return ips.filter((ip) => ip !== "None" && ip !== "");
}

/** Oldest first (no timestamp counts as oldest), then by namespace and name. */
export function byAge(a: KubeObject, b: KubeObject): number {
  return (
    compare(a.metadata.creationTimestamp ?? "", b.metadata.creationTimestamp ?? "") ||
    compare(a.metadata.namespace ?? "", b.metadata.namespace ?? "") ||
    compare(a.metadata.name, b.metadata.name)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Networks as an object writes them; undefined when one of them is none. */
export function parseNetworks(
  specs: readonly { cidr: string; except?: string[] }[],
  parse: (text: string) => IpNetwork | undefined,
): NetworkMatch[] | undefined {
  const matches: NetworkMatch[] = [];
  for (const spec of specs) {
    const net = parse(spec.cidr);
    const except = (spec.except ?? []).map(parse);
    if (!net || except.includes(undefined)) return undefined;
    matches.push({ net, except: except as IpNetwork[] });
  }
  return matches;
}
