import type { KubeObject } from "../store/object.ts";
import type { Objects } from "./objects.ts";
import { systemUser } from "./users.ts";
import type { WriteContext } from "./write-context.ts";

const RBAC = "rbac.authorization.k8s.io";
const VIEW_VERBS = ["get", "list", "watch"];
const EDIT_VERBS = ["create", "delete", "deletecollection", "patch", "update"];

/** Workload resources, by group, that view reads and edit writes. */
const NAMESPACED: Record<string, string[]> = {
  "": [
    "configmaps",
    "endpoints",
    "events",
    "persistentvolumeclaims",
    "pods",
    "pods/log",
    "pods/status",
    "replicationcontrollers",
    "replicationcontrollers/scale",
    "serviceaccounts",
    "services",
    "services/status",
  ],
  apps: [
    "daemonsets",
    "deployments",
    "deployments/scale",
    "replicasets",
    "replicasets/scale",
    "statefulsets",
    "statefulsets/scale",
  ],
  batch: ["cronjobs", "jobs"],
  autoscaling: ["horizontalpodautoscalers"],
  policy: ["poddisruptionbudgets"],
  "networking.k8s.io": ["ingresses", "networkpolicies"],
  "discovery.k8s.io": ["endpointslices"],
};

export interface BootstrapOptions {
  /** PEM of the CA that signs the API server's certificate. */
  readonly caPem: string;
  /** PEM of the CA of the front proxy's client certificate (aggregated APIs check it). */
  readonly requestHeaderCaPem: string;
  readonly frontProxyName: string;
  /** Where pods reach the API server. */
  readonly apiAddress: string;
  readonly apiPort: number;
}

/** What every cluster has from its first moment: namespaces, the `kubernetes` Service, default roles, client CAs. */
export async function bootstrap(objects: Objects, options: BootstrapOptions): Promise<void> {
  const context: WriteContext = {
    user: systemUser("system:apiserver"),
    fieldManager: "kube-apiserver",
    isDryRun: false,
    fieldValidation: "Strict",
    warn: () => {},
  };
  for (const object of initialObjects(options)) {
    const type = objects.types.registry.byKind(object.apiVersion!, object.kind!)!;
    await objects.create(type, object.metadata.namespace, object, context);
  }
}

function initialObjects(options: BootstrapOptions): KubeObject[] {
  return [
    ...["default", "kube-system", "kube-public", "kube-node-lease"].map(namespace),
    ...kubernetesService(options),
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "extension-apiserver-authentication", namespace: "kube-system" },
      data: {
        "client-ca-file": options.caPem,
        "requestheader-allowed-names": JSON.stringify([options.frontProxyName]),
        "requestheader-client-ca-file": options.requestHeaderCaPem,
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-username-headers": '["X-Remote-User"]',
      },
    },
    ...clusterRoles(),
    ...bindings(),
  ];
}

function namespace(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

function kubernetesService({ apiAddress, apiPort }: BootstrapOptions): KubeObject[] {
  const labels = { component: "apiserver", provider: "kubernetes" };
  const metadata = { name: "kubernetes", namespace: "default" };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { ...metadata, labels },
      spec: { clusterIP: "10.96.0.1", ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: apiPort }] },
    },
    {
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: { ...metadata, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
      subsets: [{ addresses: [{ ip: apiAddress }], ports: [{ name: "https", port: apiPort, protocol: "TCP" }] }],
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": "kubernetes" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [apiAddress], conditions: { ready: true } }],
      ports: [{ name: "https", port: apiPort, protocol: "TCP" }],
    },
  ];
}

function rules(verbs: string[], extra: Record<string, string[]> = {}): object[] {
  const groups = { ...NAMESPACED };
  for (const [group, resources] of Object.entries(extra)) groups[group] = [...(groups[group] ?? []), ...resources];
  return Object.entries(groups).map(([group, resources]) => ({ apiGroups: [group], resources, verbs }));
}

function role(name: string, roleRules: object[], labels?: Record<string, string>, aggregates?: string): KubeObject {
  const aggregationRule = aggregates
    ? { clusterRoleSelectors: [{ matchLabels: { [`${RBAC}/aggregate-to-${aggregates}`]: "true" } }] }
    : undefined;
  return {
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRole",
    metadata: { name, labels: { "kubernetes.io/bootstrapping": "rbac-defaults", ...labels } },
    rules: roleRules,
    ...(aggregationRule ? { aggregationRule } : {}),
  };
}

function clusterRoles(): KubeObject[] {
  const to = (name: string) => ({ [`${RBAC}/aggregate-to-${name}`]: "true" });
  const streams = { "": ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy", "secrets"] };
  return [
    role("cluster-admin", [
      { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
      { nonResourceURLs: ["*"], verbs: ["*"] },
    ]),
    role("admin", [], undefined, "admin"),
    role("edit", [], to("admin"), "edit"),
    role("view", [], to("edit"), "view"),
    role(
      "system:aggregate-to-admin",
      [
        { apiGroups: [RBAC], resources: ["roles", "rolebindings"], verbs: [...VIEW_VERBS, ...EDIT_VERBS] },
        { apiGroups: ["authorization.k8s.io"], resources: ["localsubjectaccessreviews"], verbs: ["create"] },
      ],
      to("admin"),
    ),
    role("system:aggregate-to-edit", rules([...VIEW_VERBS, ...EDIT_VERBS], streams), { ...to("edit"), ...to("admin") }),
    role(
      "system:aggregate-to-view",
      [...rules(VIEW_VERBS), { apiGroups: [""], resources: ["namespaces"], verbs: VIEW_VERBS }],
      {
        ...to("view"),
        ...to("edit"),
        ...to("admin"),
      },
    ),
    role("system:auth-delegator", [
      { apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: ["create"] },
      { apiGroups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"], verbs: ["create"] },
    ]),
    role("system:basic-user", [
      {
        apiGroups: ["authorization.k8s.io"],
        resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        verbs: ["create"],
      },
      { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"], verbs: ["create"] },
    ]),
    role("system:discovery", [
      {
        nonResourceURLs: [
          "/api",
          "/api/*",
          "/apis",
          "/apis/*",
          "/healthz",
          "/livez",
          "/openapi",
          "/openapi/*",
          "/readyz",
          "/version",
          "/version/",
        ],
        verbs: ["get"],
      },
    ]),
    role("system:public-info-viewer", [
      { nonResourceURLs: ["/healthz", "/livez", "/readyz", "/version", "/version/"], verbs: ["get"] },
    ]),
    role("system:service-account-issuer-discovery", [
      { nonResourceURLs: ["/.well-known/openid-configuration", "/openid/v1/jwks"], verbs: ["get"] },
    ]),
  ];
}

function bindings(): KubeObject[] {
  const bind = (roleName: string, group: string): KubeObject => ({
    apiVersion: `${RBAC}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: roleName, labels: { "kubernetes.io/bootstrapping": "rbac-defaults" } },
    roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: roleName },
    subjects: [{ apiGroup: RBAC, kind: "Group", name: group }],
  });
  return [
    bind("cluster-admin", "system:masters"),
    bind("system:basic-user", "system:authenticated"),
    bind("system:discovery", "system:authenticated"),
    bind("system:service-account-issuer-discovery", "system:serviceaccounts"),
    {
      apiVersion: `${RBAC}/v1`,
      kind: "Role",
      metadata: { name: "extension-apiserver-authentication-reader", namespace: "kube-system" },
      rules: [
        {
          apiGroups: [""],
          resourceNames: ["extension-apiserver-authentication"],
          resources: ["configmaps"],
          verbs: VIEW_VERBS,
        },
      ],
    },
  ];
}
