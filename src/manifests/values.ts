import { DEFAULT_CLUSTER_NETWORKS, DEFAULT_OPAQUE_PORTS, PORTS } from "#contracts/ports";
import { VERSION } from "#contracts/version";

import type {
  ImageValues,
  NetworkValidatorValues,
  ProbeTimeouts,
  ProxyInitValues,
  ProxyValues,
  Resources,
  Values,
  WebhookValues,
} from "./values-types.ts";

export type * from "./values-types.ts";

export type DeepPartial<T> = T extends (infer _)[] ? T : T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;

/** A fresh tree of Linkerd's defaults with `overrides` laid over it. */
export function defaultValues(overrides: DeepPartial<Values> = {}): Values {
  return mergeValues(chartDefaults() as unknown as Tree, overrides as Tree) as unknown as Values;
}

type Tree = Record<string, unknown>;

/** Lays one tree over another as Helm does: maps merge, everything else replaces, `null` takes a key away. */
export function mergeValues(base: Tree, overlay: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(overlay)) {
    if (value === undefined) continue;
    if (value === null) delete merged[key];
    else merged[key] = isTree(value) ? mergeValues(isTree(merged[key]) ? merged[key] : {}, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the chart's high-availability file lays over the defaults. */
export function haValues(): DeepPartial<Values> {
  const resources = { cpu: { limit: "", request: "100m" }, memory: { limit: "250Mi", request: "50Mi" } };
  return {
    controllerReplicas: 3,
    enablePodAntiAffinity: true,
    enablePodDisruptionBudget: true,
    highAvailability: true,
    deploymentStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: "25%" } },
    webhookFailurePolicy: "Fail",
    proxy: { resources: { cpu: { request: "100m" }, memory: { limit: "250Mi", request: "20Mi" } } },
    destinationResources: resources,
    identityResources: { ...resources, memory: { limit: "250Mi", request: "10Mi" } },
    proxyInjectorResources: resources,
    spValidatorResources: resources,
  };
}

function chartDefaults(): Values {
  const kubeAPI = { clientQPS: 100, clientBurst: 200 };
  const hooksEnabled = { key: "config.linkerd.io/admission-webhooks", operator: "NotIn", values: ["disabled"] };
  const notSystem = { key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["kube-system", "cert-manager"] };
  return {
    clusterDomain: "cluster.local",
    clusterNetworks: DEFAULT_CLUSTER_NETWORKS,
    imagePullPolicy: "IfNotPresent",
    imagePullSecrets: [],
    revisionHistoryLimit: 10,
    controllerLogLevel: "info",
    controllerLogFormat: "plain",
    linkerdVersion: VERSION,
    deploymentStrategy: { rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
    enableEndpointSlices: true,
    enablePodAntiAffinity: false,
    enablePodDisruptionBudget: false,
    enablePprof: false,
    enableH2Upgrade: true,
    disableIPv6: true,
    disableHeartBeat: true,
    highAvailability: false,
    controller: {
      podDisruptionBudget: { maxUnavailable: 1 },
      tracing: { enabled: false, collector: { endpoint: "" } },
    },
    controllerImage: "linkerd-ts/controller",
    controllerImageVersion: "",
    controllerReplicas: 1,
    controllerUID: 2103,
    controllerGID: -1,
    cniEnabled: false,
    identityTrustAnchorsPEM: "",
    identityTrustDomain: "",
    kubeAPI,
    podAnnotations: {},
    podLabels: {},
    commonLabels: {},
    priorityClassName: "",
    runtimeClassName: "",
    nodeSelector: { "kubernetes.io/os": "linux" },
    webhookFailurePolicy: "Ignore",
    prometheusUrl: "",
    policyController: {
      image: image("policy-controller"),
      logLevel: "info",
      probeNetworks: ["0.0.0.0/0", "::/0"],
      resources: noResources(),
      ...probeTimeouts(),
    },
    proxy: proxyDefaults(),
    proxyInit: proxyInitDefaults(),
    networkValidator: networkValidatorDefaults(),
    debugContainer: { image: image("debug") },
    destinationController: {
      meshedHttp2ClientProtobuf: {
        keep_alive: { interval: { seconds: 10 }, timeout: { seconds: 3 }, while_idle: true },
      },
      podAnnotations: {},
      ...probeTimeouts(),
    },
    identity: {
      externalCA: false,
      serviceAccountTokenProjection: true,
      issuer: {
        scheme: "linkerd.io/tls",
        clockSkewAllowance: "20s",
        issuanceLifetime: "24h0m0s",
        tls: { crtPEM: "", keyPEM: "" },
      },
      kubeAPI: { ...kubeAPI },
      podAnnotations: {},
      ...probeTimeouts(),
    },
    proxyInjector: {
      timeoutSeconds: 10,
      ...webhookDefaults([hooksEnabled, notSystem]),
      objectSelector: {
        matchExpressions: [
          { key: "linkerd.io/control-plane-component", operator: "DoesNotExist" },
          { key: "linkerd.io/cni-resource", operator: "DoesNotExist" },
        ],
      },
      podAnnotations: {},
      ...probeTimeouts(),
    },
    profileValidator: webhookDefaults([hooksEnabled]),
    policyValidator: webhookDefaults([hooksEnabled]),
    spValidator: probeTimeouts(),
    egress: { globalEgressNetworkNamespace: "linkerd-egress" },
  };
}

function proxyDefaults(): ProxyValues {
  const keepAlive = { server: { http2: { keepAliveInterval: "10s", keepAliveTimeout: "3s" } } };
  return {
    image: image("proxy"),
    enableExternalProfiles: false,
    outboundConnectTimeout: "1000ms",
    inboundConnectTimeout: "100ms",
    outboundDiscoveryCacheUnusedTimeout: "5s",
    inboundDiscoveryCacheUnusedTimeout: "90s",
    disableOutboundProtocolDetectTimeout: false,
    disableInboundProtocolDetectTimeout: false,
    enableShutdownEndpoint: false,
    logLevel: "warn,linkerd=info,hickory=error",
    logFormat: "plain",
    logHTTPHeaders: "off",
    ports: {
      admin: PORTS.proxyAdmin,
      control: PORTS.proxyTap,
      inbound: PORTS.proxyInbound,
      outbound: PORTS.proxyOutbound,
    },
    runtime: { workers: { minimum: 1 } },
    resources: noResources(),
    uid: 2102,
    gid: -1,
    securityContext: {},
    waitBeforeExitSeconds: 0,
    await: true,
    requireIdentityOnInboundPorts: "",
    opaquePorts: DEFAULT_OPAQUE_PORTS,
    shutdownGracePeriod: "",
    defaultInboundPolicy: "all-unauthenticated",
    outboundTransportMode: "transport-header",
    nativeSidecar: true,
    livenessProbe: { initialDelaySeconds: 10, timeoutSeconds: 1 },
    readinessProbe: { initialDelaySeconds: 2, timeoutSeconds: 1 },
    startupProbe: { initialDelaySeconds: 0, periodSeconds: 1, failureThreshold: 120 },
    control: { streams: { initialTimeout: "3s", idleTimeout: "5m", lifetime: "1h" } },
    metrics: { hostnameLabels: false },
    tracing: {
      enabled: false,
      traceServiceName: "linkerd-proxy",
      labels: {
        "k8s.pod.ip": "$(_pod_ip)",
        "k8s.pod.uid": "$(_pod_uid)",
        "k8s.container.name": "$(_pod_containerName)",
      },
      collector: { endpoint: "", meshIdentity: { serviceAccountName: "", namespace: "" } },
    },
    inbound: keepAlive,
    outbound: structuredClone(keepAlive),
  };
}

function proxyInitDefaults(): ProxyInitValues {
  return {
    image: image("proxy-init"),
    iptablesMode: "nft",
    ignoreInboundPorts: "4567,4568",
    ignoreOutboundPorts: "4567,4568",
    kubeAPIServerPorts: "443,6443",
    skipSubnets: "",
    logLevel: "",
    logFormat: "",
    closeWaitTimeoutSecs: 0,
    privileged: false,
    runAsRoot: false,
    runAsUser: 65534,
    runAsGroup: 65534,
    xtMountPath: { mountPath: "/run", name: "linkerd-proxy-init-xtables-lock" },
  };
}

function networkValidatorDefaults(): NetworkValidatorValues {
  return {
    logLevel: "debug",
    logFormat: "plain",
    connectAddr: "",
    listenAddr: "",
    timeout: "10s",
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsGroup: 65534,
      runAsNonRoot: true,
      runAsUser: 65534,
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

function webhookDefaults(matchExpressions: Record<string, unknown>[]): WebhookValues {
  return {
    externalSecret: false,
    namespaceSelector: { matchExpressions },
    crtPEM: "",
    keyPEM: "",
    caBundle: "",
    injectCaFrom: "",
    injectCaFromSecret: "",
  };
}

function image(name: string): ImageValues {
  return { name: `linkerd-ts/${name}`, pullPolicy: "", version: "" };
}

function noResources(): Resources {
  const none = () => ({ limit: "", request: "" });
  return { cpu: none(), memory: none(), "ephemeral-storage": none() };
}

function probeTimeouts(): ProbeTimeouts {
  return { livenessProbe: { timeoutSeconds: 1 }, readinessProbe: { timeoutSeconds: 1 } };
}
