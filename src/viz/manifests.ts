import { ANNOTATIONS, LABELS } from "#contracts/labels";
import { PORTS } from "#contracts/ports";
import { VERSION } from "#contracts/version";
import type { KubeObject } from "#kube/types";

/** What `linkerd viz install --set` may say; names as in Linkerd's chart where it has them. */
export interface VizValues {
  readonly namespace: string;
  readonly linkerdNamespace: string;
  readonly clusterDomain: string;
  readonly linkerdVersion: string;
  readonly defaultUID: number;
  readonly defaultLogLevel: string;
  readonly defaultImagePullPolicy: string;
  /** Address of a Prometheus that scrapes the proxies; empty: the built-in store of metrics-api. */
  readonly prometheusUrl: string;
  readonly metricsAPI: {
    readonly replicas: number;
    readonly image: string;
    /** How often the built-in store reads each proxy. */
    readonly scrapeInterval: string;
  };
}

export function defaultVizValues(): VizValues {
  return {
    namespace: "linkerd-viz",
    linkerdNamespace: "linkerd",
    clusterDomain: "cluster.local",
    linkerdVersion: VERSION,
    defaultUID: 2103,
    defaultLogLevel: "info",
    defaultImagePullPolicy: "IfNotPresent",
    prometheusUrl: "",
    metricsAPI: { replicas: 1, image: "linkerd-ts/metrics-api", scrapeInterval: "10s" },
  };
}

type Manifest = KubeObject & Record<string, unknown>;

/** Every object of the extension, in the order in which they are applied. */
export function vizManifests(values: VizValues): Manifest[] {
  return [namespace(values), ...rbac(values), service(values), deployment(values), ...policy(values)];
}

const COMPONENT = { component: "metrics-api", [LABELS.extension]: "viz" } as const;

function namespace(values: VizValues): Manifest {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: values.namespace,
      labels: { [LABELS.extension]: "viz", "pod-security.kubernetes.io/enforce": "privileged" },
      annotations: {
        [ANNOTATIONS.inject]: "enabled",
        ...(values.prometheusUrl ? { "viz.linkerd.io/external-prometheus": values.prometheusUrl } : {}),
      },
    },
  };
}

function metadata(values: VizValues, name: string): KubeObject["metadata"] {
  return { name, namespace: values.namespace, labels: { ...COMPONENT } };
}

/** Only what the answers are made of, and only reading. */
function rbac(values: VizValues): Manifest[] {
  const role = `linkerd-${values.namespace}-metrics-api`;
  const read = ["list", "get", "watch"];
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(values, "metrics-api") },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: role, labels: { ...COMPONENT } },
      rules: [
        { apiGroups: ["apps"], resources: ["daemonsets", "deployments", "replicasets", "statefulsets"], verbs: read },
        { apiGroups: ["batch"], resources: ["cronjobs", "jobs"], verbs: read },
        { apiGroups: [""], resources: ["pods", "services", "replicationcontrollers", "namespaces"], verbs: read },
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: role, labels: { ...COMPONENT } },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ kind: "ServiceAccount", name: "metrics-api", namespace: values.namespace }],
    },
  ];
}

function service(values: VizValues): Manifest {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(values, "metrics-api"),
    spec: {
      type: "ClusterIP",
      selector: { ...COMPONENT },
      ports: [{ name: "http", port: PORTS.metricsApi, targetPort: PORTS.metricsApi }],
    },
  };
}

function deployment(values: VizValues): Manifest {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(values, "metrics-api"),
    spec: {
      replicas: values.metricsAPI.replicas,
      selector: { matchLabels: { ...COMPONENT } },
      template: {
        metadata: { labels: { ...COMPONENT }, annotations: { [ANNOTATIONS.inject]: "enabled" } },
        spec: {
          serviceAccountName: "metrics-api",
          nodeSelector: { "kubernetes.io/os": "linux" },
          securityContext: { seccompProfile: { type: "RuntimeDefault" } },
          containers: [container(values)],
        },
      },
    },
  };
}

function container(values: VizValues): object {
  return {
    name: "metrics-api",
    image: `${values.metricsAPI.image}:${values.linkerdVersion}`,
    imagePullPolicy: values.defaultImagePullPolicy,
    args: [
      `-addr=:${PORTS.metricsApi}`,
      `-metrics-addr=:${PORTS.metricsApiAdmin}`,
      `-controller-namespace=${values.linkerdNamespace}`,
      `-cluster-domain=${values.clusterDomain}`,
      `-log-level=${values.defaultLogLevel}`,
      values.prometheusUrl
        ? `-prometheus-url=${values.prometheusUrl}`
        : `-scrape-interval=${values.metricsAPI.scrapeInterval}`,
    ],
    ports: [
      { name: "http", containerPort: PORTS.metricsApi },
      { name: "admin", containerPort: PORTS.metricsApiAdmin },
    ],
    livenessProbe: { httpGet: { path: "/ping", port: PORTS.metricsApiAdmin }, initialDelaySeconds: 10 },
    readinessProbe: { httpGet: { path: "/ready", port: PORTS.metricsApiAdmin }, failureThreshold: 7 },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: values.defaultUID,
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
}

/**
 * Who may call metrics-api through the mesh: the dashboard only. The command line's port-forward enters the pod's own
 * loopback, which needs no authorization. The kubelet's probes have their own port.
 */
function policy(values: VizValues): Manifest[] {
  const server = { group: "policy.linkerd.io", kind: "Server", name: "metrics-api" };
  return [
    {
      apiVersion: "policy.linkerd.io/v1beta3",
      kind: "Server",
      metadata: metadata(values, "metrics-api"),
      spec: { podSelector: { matchLabels: { ...COMPONENT } }, port: "http", proxyProtocol: "HTTP/1" },
    },
    {
      apiVersion: "policy.linkerd.io/v1alpha1",
      kind: "MeshTLSAuthentication",
      metadata: metadata(values, "metrics-api-web"),
      spec: { identityRefs: [{ kind: "ServiceAccount", name: "web" }] },
    },
    {
      apiVersion: "policy.linkerd.io/v1alpha1",
      kind: "AuthorizationPolicy",
      metadata: metadata(values, "metrics-api"),
      spec: {
        targetRef: server,
        requiredAuthenticationRefs: [
          { group: "policy.linkerd.io", kind: "MeshTLSAuthentication", name: "metrics-api-web" },
        ],
      },
    },
    {
      apiVersion: "policy.linkerd.io/v1alpha1",
      kind: "NetworkAuthentication",
      metadata: metadata(values, "kubelet"),
      spec: { networks: [{ cidr: "0.0.0.0/0" }, { cidr: "::/0" }] },
    },
  ];
}
