import { type KubeObject, ObjectStore } from "#kube";
import { IpNetwork } from "#net/address";
import {
  BY_CLUSTER_IP,
  BY_PARENT,
  clusterIps,
  type PolicyConfig,
  type PolicyObjects,
  parentKeys,
} from "../../src/controlplane/policy/index/objects.ts";

/** Objects of a small cluster, by the names of their stores. */
export type Cluster = { readonly [K in keyof PolicyObjects]?: readonly Loose[] };

/** An object as a test writes it down. */
export interface Loose {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [more: string]: unknown };
  readonly [more: string]: unknown;
}

/** Stores that hold exactly these objects; a missing namespace is `shop`. */
export function policyObjects(cluster: Cluster): PolicyObjects {
  const store = (name: keyof PolicyObjects, indexes = {}): ObjectStore<never> => {
    const objects = new ObjectStore<KubeObject>(indexes);
    for (const { metadata, ...rest } of cluster[name] ?? [])
      objects.set({ metadata: { namespace: "shop", ...metadata }, ...rest });
    return objects as unknown as ObjectStore<never>;
  };
  const byParent = { [BY_PARENT]: parentKeys };
  return {
    pods: store("pods"),
    externalWorkloads: store("externalWorkloads"),
    servers: store("servers"),
    serverAuthorizations: store("serverAuthorizations"),
    authorizationPolicies: store("authorizationPolicies"),
    meshTlsAuthentications: store("meshTlsAuthentications"),
    networkAuthentications: store("networkAuthentications"),
    rateLimits: store("rateLimits"),
    policyHttpRoutes: store("policyHttpRoutes", byParent),
    gatewayHttpRoutes: store("gatewayHttpRoutes", byParent),
    grpcRoutes: store("grpcRoutes", byParent),
    tlsRoutes: store("tlsRoutes", byParent),
    tcpRoutes: store("tcpRoutes", byParent),
    services: store("services", { [BY_CLUSTER_IP]: clusterIps }),
    egressNetworks: store("egressNetworks"),
  };
}

/** The controller's settings as the tests run it. */
export function policyConfig(overrides: Partial<PolicyConfig> = {}): PolicyConfig {
  return {
    clusterNetworks: [IpNetwork.parse("10.0.0.0/8")!],
    clusterDomain: "cluster.local",
    trustDomain: "cluster.local",
    controlPlaneNs: "linkerd",
    defaultPolicy: "all-unauthenticated",
    defaultOpaquePorts: "25,3306",
    probeNetworks: [IpNetwork.parse("0.0.0.0/0")!],
    globalEgressNamespace: "linkerd-egress",
    allowL5dRequestHeaders: false,
    ...overrides,
  };
}
