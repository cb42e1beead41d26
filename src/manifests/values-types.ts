/**
 * The mesh's configuration, under the names that Linkerd's charts give it, so that a values file written for one works
 * with the other. The same tree is stored in the ConfigMap `linkerd-config`, which the injector reads.
 * Empty strings mean "not set", as in the charts.
 */
export interface Values {
  clusterDomain: string;
  /** CIDRs, comma-separated: where a proxy asks the control plane about a destination. */
  clusterNetworks: string;
  imagePullPolicy: string;
  imagePullSecrets: { name: string }[];
  revisionHistoryLimit: number;
  controllerLogLevel: string;
  controllerLogFormat: string;
  linkerdVersion: string;
  deploymentStrategy: Record<string, unknown>;
  enableEndpointSlices: boolean;
  enablePodAntiAffinity: boolean;
  enablePodDisruptionBudget: boolean;
  enablePprof: boolean;
  enableH2Upgrade: boolean;
  disableIPv6: boolean;
  disableHeartBeat: boolean;
  highAvailability: boolean;
  controller: { podDisruptionBudget: { maxUnavailable: number | string }; tracing: TracingSwitch };
  controllerImage: string;
  /** Empty: the same as `linkerdVersion`. */
  controllerImageVersion: string;
  controllerReplicas: number;
  controllerUID: number;
  /** Left out of manifests when negative. */
  controllerGID: number;
  cniEnabled: boolean;
  /** PEM, one root or several. */
  identityTrustAnchorsPEM: string;
  /** Empty: the same as `clusterDomain`. */
  identityTrustDomain: string;
  kubeAPI: ClientRate;
  podAnnotations: Record<string, string>;
  podLabels: Record<string, string>;
  commonLabels: Record<string, string>;
  priorityClassName: string;
  runtimeClassName: string;
  nodeSelector: Record<string, string>;
  tolerations?: Record<string, unknown>[];
  nodeAffinity?: Record<string, unknown>;
  webhookFailurePolicy: string;
  prometheusUrl: string;
  policyController: PolicyControllerValues;
  proxy: ProxyValues;
  proxyInit: ProxyInitValues;
  networkValidator: NetworkValidatorValues;
  debugContainer: { image: ImageValues };
  destinationController: ProbeTimeouts & {
    meshedHttp2ClientProtobuf: Record<string, unknown>;
    podAnnotations: Record<string, string>;
    additionalArgs?: string[];
    experimentalArgs?: string[];
  };
  identity: IdentityValues;
  proxyInjector: WebhookValues &
    ProbeTimeouts & {
      timeoutSeconds: number;
      objectSelector: Record<string, unknown>;
      podAnnotations: Record<string, string>;
      additionalArgs?: string[];
      experimentalArgs?: string[];
    };
  profileValidator: WebhookValues;
  policyValidator: WebhookValues;
  spValidator: ProbeTimeouts & { additionalArgs?: string[]; experimentalArgs?: string[] };
  egress: { globalEgressNetworkNamespace: string };
  /** Service accounts that may read `linkerd-config` besides the control plane. */
  configReaders?: { name: string; namespace: string }[];
  destinationResources?: PartialResources;
  destinationProxyResources?: PartialResources;
  identityResources?: PartialResources;
  identityProxyResources?: PartialResources;
  proxyInjectorResources?: PartialResources;
  proxyInjectorProxyResources?: PartialResources;
  spValidatorResources?: PartialResources;
}

export interface ImageValues {
  name: string;
  /** Empty: `imagePullPolicy`. */
  pullPolicy: string;
  /** Empty: `linkerdVersion`. */
  version: string;
}

/** Kubernetes quantities such as `100m` or `64Mi`; empty leaves the field out. */
export interface ResourceAmount {
  limit: string;
  request: string;
}

export interface Resources {
  cpu: ResourceAmount;
  memory: ResourceAmount;
  "ephemeral-storage": ResourceAmount;
}

export type PartialResources = { [K in keyof Resources]?: Partial<ResourceAmount> };

export interface ProbeTimeouts {
  livenessProbe: { timeoutSeconds: number };
  readinessProbe: { timeoutSeconds: number };
}

export interface ClientRate {
  clientQPS: number;
  clientBurst: number;
}

export interface TracingSwitch {
  enabled: boolean;
  collector: { endpoint: string };
}

export interface PolicyControllerValues extends ProbeTimeouts {
  image: ImageValues;
  logLevel: string;
  /** CIDRs that probes come from. */
  probeNetworks: string[];
  resources: Resources;
  additionalArgs?: string[];
  experimentalArgs?: string[];
}

export interface ProxyValues {
  image: ImageValues;
  enableExternalProfiles: boolean;
  /** Durations as Go writes them. */
  outboundConnectTimeout: string;
  inboundConnectTimeout: string;
  outboundDiscoveryCacheUnusedTimeout: string;
  inboundDiscoveryCacheUnusedTimeout: string;
  disableOutboundProtocolDetectTimeout: boolean;
  disableInboundProtocolDetectTimeout: boolean;
  enableShutdownEndpoint: boolean;
  logLevel: string;
  logFormat: string;
  logHTTPHeaders: string;
  ports: { admin: number; control: number; inbound: number; outbound: number };
  /** Deprecated in favour of `runtime.workers.minimum`. */
  cores?: number | null;
  runtime: { workers: { maximumCPURatio?: number | null; minimum: number; maximum?: number } };
  resources: Resources;
  uid: number;
  /** Left out of manifests when negative. */
  gid: number;
  securityContext: Record<string, unknown>;
  waitBeforeExitSeconds: number;
  await: boolean;
  requireIdentityOnInboundPorts: string;
  /** Inbound ports that take nothing but TLS; only identity's own proxy uses it. */
  requireTLSOnInboundPorts?: string;
  opaquePorts: string;
  shutdownGracePeriod: string;
  accessLog?: string;
  defaultInboundPolicy: string;
  outboundTransportMode: string;
  nativeSidecar: boolean;
  livenessProbe: { initialDelaySeconds: number; timeoutSeconds: number };
  readinessProbe: { initialDelaySeconds: number; timeoutSeconds: number };
  startupProbe: { initialDelaySeconds: number; periodSeconds: number; failureThreshold: number };
  control: { streams: { initialTimeout: string; idleTimeout: string; lifetime: string } };
  metrics: { hostnameLabels: boolean };
  tracing: TracingSwitch & {
    traceServiceName: string;
    labels: Record<string, string>;
    collector: { meshIdentity: { serviceAccountName: string; namespace: string } };
  };
  /** Every leaf becomes an environment variable of the proxy. */
  inbound: Record<string, unknown>;
  outbound: Record<string, unknown>;
  /** The ports a pod serves, comma-separated; computed per pod. */
  podInboundPorts?: string;
  isIngress?: boolean;
  isGateway?: boolean;
  additionalEnv?: Record<string, unknown>[];
  experimentalEnv?: Record<string, unknown>[];
}

export interface ProxyInitValues {
  image: ImageValues;
  iptablesMode: string;
  ignoreInboundPorts: string;
  ignoreOutboundPorts: string;
  kubeAPIServerPorts: string;
  skipSubnets: string;
  logLevel: string;
  logFormat: string;
  closeWaitTimeoutSecs: number;
  privileged: boolean;
  runAsRoot: boolean;
  runAsUser: number;
  runAsGroup: number;
  xtMountPath: { mountPath: string; name: string };
}

export interface NetworkValidatorValues {
  logLevel: string;
  logFormat: string;
  connectAddr: string;
  listenAddr: string;
  timeout: string;
  enableSecurityContext?: boolean;
  securityContext: Record<string, unknown>;
}

export interface IdentityValues extends ProbeTimeouts {
  /** The trust-roots ConfigMap is made by someone else. */
  externalCA: boolean;
  serviceAccountTokenProjection: boolean;
  issuer: {
    /** `linkerd.io/tls` (Secret made here) or `kubernetes.io/tls` (made by someone else). */
    scheme: string;
    clockSkewAllowance: string;
    issuanceLifetime: string;
    tls: { crtPEM: string; keyPEM: string };
  };
  kubeAPI: ClientRate;
  podAnnotations: Record<string, string>;
  additionalArgs?: string[];
  experimentalArgs?: string[];
}

/** Where an admission webhook's certificate comes from. */
export interface WebhookValues {
  /** The TLS Secret is made by someone else; then a CA must be named below. */
  externalSecret: boolean;
  namespaceSelector: Record<string, unknown>;
  crtPEM: string;
  keyPEM: string;
  caBundle: string;
  /** `namespace/certificate` for cert-manager's CA injector. */
  injectCaFrom: string;
  injectCaFromSecret: string;
}
