import type { Condition, KubeObject, LabelSelector } from "./object.ts";

/** A port of selected workloads and how it is to be treated. */
export interface Server extends KubeObject {
  spec: {
    podSelector?: LabelSelector;
    externalWorkloadSelector?: LabelSelector;
    port: number | string;
    proxyProtocol?: string;
    accessPolicy?: string;
  };
}

export interface NetworkSpec {
  cidr: string;
  except?: string[];
}

export interface ServerAuthorization extends KubeObject {
  spec: {
    server: { name?: string; selector?: LabelSelector };
    client: {
      networks?: NetworkSpec[];
      unauthenticated?: boolean;
      meshTLS?: {
        unauthenticatedTLS?: boolean;
        identities?: string[];
        serviceAccounts?: { name: string; namespace?: string }[];
      };
    };
  };
}

/** A reference to an object of the same namespace. */
export interface LocalTargetRef {
  group?: string;
  kind: string;
  name: string;
}

export interface NamespacedTargetRef extends LocalTargetRef {
  namespace?: string;
}

export interface AuthorizationPolicy extends KubeObject {
  spec: { targetRef: LocalTargetRef; requiredAuthenticationRefs: NamespacedTargetRef[] };
}

export interface MeshTlsAuthentication extends KubeObject {
  spec: { identities?: string[]; identityRefs?: NamespacedTargetRef[] };
}

export interface NetworkAuthentication extends KubeObject {
  spec: { networks: NetworkSpec[] };
}

export interface HttpLocalRateLimitPolicy extends KubeObject {
  spec: {
    targetRef: LocalTargetRef;
    total?: { requestsPerSecond: number };
    identity?: { requestsPerSecond: number };
    overrides?: { requestsPerSecond: number; clientRefs: NamespacedTargetRef[] }[];
  };
  status?: { conditions?: Condition[]; targetRef?: LocalTargetRef };
}

export interface EgressNetwork extends KubeObject {
  spec: { trafficPolicy: "Allow" | "Deny"; networks?: NetworkSpec[] };
  status?: { conditions?: Condition[] };
}

export interface ExternalWorkload extends KubeObject {
  spec: {
    meshTLS?: { identity: string; serverName: string };
    ports?: { name?: string; port: number; protocol?: string }[];
    workloadIPs?: { ip: string }[];
  };
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

export interface RequestMatchSpec {
  all?: RequestMatchSpec[];
  any?: RequestMatchSpec[];
  not?: RequestMatchSpec;
  pathRegex?: string;
  method?: string;
}

export interface ResponseMatchSpec {
  all?: ResponseMatchSpec[];
  any?: ResponseMatchSpec[];
  not?: ResponseMatchSpec;
  status?: { min?: number; max?: number };
}

export interface ServiceProfileRoute {
  name: string;
  condition: RequestMatchSpec;
  isRetryable?: boolean;
  timeout?: string;
  responseClasses?: { condition: ResponseMatchSpec; isFailure?: boolean }[];
}

/** Routes of one authority (the object's name) as seen by the clients or the servers of a namespace. */
export interface ServiceProfile extends KubeObject {
  spec: {
    routes?: ServiceProfileRoute[];
    retryBudget?: { minRetriesPerSecond: number; retryRatio: number; ttl: string };
    /** Weights are Kubernetes quantities. */
    dstOverrides?: { authority?: string; weight?: number | string }[];
  };
}

export interface Link extends KubeObject {
  spec: {
    targetClusterName?: string;
    targetClusterDomain?: string;
    targetClusterLinkerdNamespace?: string;
    clusterCredentialsSecret?: string;
    gatewayAddress?: string;
    gatewayPort?: string;
    gatewayIdentity?: string;
    probeSpec?: { failureThreshold?: string; path?: string; period?: string; port?: string; timeout?: string };
    selector?: LabelSelector;
    remoteDiscoverySelector?: LabelSelector;
    federatedServiceSelector?: LabelSelector;
    excludedAnnotations?: string[];
    excludedLabels?: string[];
  };
  status?: { mirrorServices?: unknown[]; federatedServices?: unknown[] };
}
