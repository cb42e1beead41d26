import type { ResourceType } from "./resources.ts";

/** What every stored type allows. */
export const STORED_VERBS = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
] as const;

interface Row {
  /** `group/version`, or `v1`. */
  readonly gv: string;
  readonly kind: string;
  readonly resource: string;
  readonly isCluster?: boolean;
  readonly short?: readonly string[];
  readonly categories?: readonly string[];
  readonly sub?: readonly string[];
  readonly isReview?: boolean;
}

const ALL = ["all"];
const WORKLOAD = ["scale", "status"];

/** The built-in types, in the order discovery lists them. */
const ROWS: readonly Row[] = [
  { gv: "v1", kind: "ConfigMap", resource: "configmaps", short: ["cm"] },
  { gv: "v1", kind: "Endpoints", resource: "endpoints", short: ["ep"] },
  { gv: "v1", kind: "Event", resource: "events", short: ["ev"] },
  { gv: "v1", kind: "LimitRange", resource: "limitranges", short: ["limits"] },
  { gv: "v1", kind: "Namespace", resource: "namespaces", isCluster: true, short: ["ns"], sub: ["finalize", "status"] },
  { gv: "v1", kind: "Node", resource: "nodes", isCluster: true, short: ["no"], sub: ["proxy", "status"] },
  {
    gv: "v1",
    kind: "PersistentVolumeClaim",
    resource: "persistentvolumeclaims",
    short: ["pvc"],
    sub: ["status"],
  },
  {
    gv: "v1",
    kind: "PersistentVolume",
    resource: "persistentvolumes",
    isCluster: true,
    short: ["pv"],
    sub: ["status"],
  },
  {
    gv: "v1",
    kind: "Pod",
    resource: "pods",
    short: ["po"],
    categories: ALL,
    sub: [
      "attach",
      "binding",
      "ephemeralcontainers",
      "eviction",
      "exec",
      "log",
      "portforward",
      "proxy",
      "resize",
      "status",
    ],
  },
  { gv: "v1", kind: "PodTemplate", resource: "podtemplates" },
  {
    gv: "v1",
    kind: "ReplicationController",
    resource: "replicationcontrollers",
    short: ["rc"],
    categories: ALL,
    sub: WORKLOAD,
  },
  { gv: "v1", kind: "ResourceQuota", resource: "resourcequotas", short: ["quota"], sub: ["status"] },
  { gv: "v1", kind: "Secret", resource: "secrets" },
  { gv: "v1", kind: "ServiceAccount", resource: "serviceaccounts", short: ["sa"], sub: ["token"] },
  { gv: "v1", kind: "Service", resource: "services", short: ["svc"], categories: ALL, sub: ["proxy", "status"] },
  { gv: "apps/v1", kind: "ControllerRevision", resource: "controllerrevisions" },
  { gv: "apps/v1", kind: "DaemonSet", resource: "daemonsets", short: ["ds"], categories: ALL, sub: ["status"] },
  { gv: "apps/v1", kind: "Deployment", resource: "deployments", short: ["deploy"], categories: ALL, sub: WORKLOAD },
  { gv: "apps/v1", kind: "ReplicaSet", resource: "replicasets", short: ["rs"], categories: ALL, sub: WORKLOAD },
  { gv: "apps/v1", kind: "StatefulSet", resource: "statefulsets", short: ["sts"], categories: ALL, sub: WORKLOAD },
  { gv: "batch/v1", kind: "CronJob", resource: "cronjobs", short: ["cj"], categories: ALL, sub: ["status"] },
  { gv: "batch/v1", kind: "Job", resource: "jobs", categories: ALL, sub: ["status"] },
  {
    gv: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    resource: "horizontalpodautoscalers",
    short: ["hpa"],
    categories: ALL,
    sub: ["status"],
  },
  {
    gv: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    resource: "horizontalpodautoscalers",
    short: ["hpa"],
    categories: ALL,
    sub: ["status"],
  },
  { gv: "policy/v1", kind: "PodDisruptionBudget", resource: "poddisruptionbudgets", short: ["pdb"], sub: ["status"] },
  { gv: "networking.k8s.io/v1", kind: "Ingress", resource: "ingresses", short: ["ing"], sub: ["status"] },
  { gv: "networking.k8s.io/v1", kind: "IngressClass", resource: "ingressclasses", isCluster: true },
  { gv: "networking.k8s.io/v1", kind: "NetworkPolicy", resource: "networkpolicies", short: ["netpol"] },
  { gv: "discovery.k8s.io/v1", kind: "EndpointSlice", resource: "endpointslices" },
  { gv: "coordination.k8s.io/v1", kind: "Lease", resource: "leases" },
  { gv: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", resource: "clusterrolebindings", isCluster: true },
  { gv: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", resource: "clusterroles", isCluster: true },
  { gv: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", resource: "rolebindings" },
  { gv: "rbac.authorization.k8s.io/v1", kind: "Role", resource: "roles" },
  {
    gv: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    resource: "mutatingwebhookconfigurations",
    isCluster: true,
    categories: ["api-extensions"],
  },
  {
    gv: "admissionregistration.k8s.io/v1",
    kind: "ValidatingWebhookConfiguration",
    resource: "validatingwebhookconfigurations",
    isCluster: true,
    categories: ["api-extensions"],
  },
  {
    gv: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    resource: "customresourcedefinitions",
    isCluster: true,
    short: ["crd", "crds"],
    categories: ["api-extensions"],
    sub: ["status"],
  },
  {
    gv: "apiregistration.k8s.io/v1",
    kind: "APIService",
    resource: "apiservices",
    isCluster: true,
    categories: ["api-extensions"],
    sub: ["status"],
  },
  { gv: "storage.k8s.io/v1", kind: "StorageClass", resource: "storageclasses", isCluster: true, short: ["sc"] },
  {
    gv: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    resource: "priorityclasses",
    isCluster: true,
    short: ["pc"],
  },
  { gv: "authentication.k8s.io/v1", kind: "TokenReview", resource: "tokenreviews", isCluster: true, isReview: true },
  {
    gv: "authentication.k8s.io/v1",
    kind: "SelfSubjectReview",
    resource: "selfsubjectreviews",
    isCluster: true,
    isReview: true,
  },
  {
    gv: "authorization.k8s.io/v1",
    kind: "LocalSubjectAccessReview",
    resource: "localsubjectaccessreviews",
    isReview: true,
  },
  {
    gv: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    resource: "selfsubjectaccessreviews",
    isCluster: true,
    isReview: true,
  },
  {
    gv: "authorization.k8s.io/v1",
    kind: "SelfSubjectRulesReview",
    resource: "selfsubjectrulesreviews",
    isCluster: true,
    isReview: true,
  },
  {
    gv: "authorization.k8s.io/v1",
    kind: "SubjectAccessReview",
    resource: "subjectaccessreviews",
    isCluster: true,
    isReview: true,
  },
];

/** The built-in resource types. */
export const BUILTIN_TYPES: readonly ResourceType[] = ROWS.map(toType);

function toType(row: Row): ResourceType {
  const slash = row.gv.indexOf("/");
  const sub = row.sub ?? [];
  return {
    group: slash < 0 ? "" : row.gv.slice(0, slash),
    version: row.gv.slice(slash + 1),
    kind: row.kind,
    resource: row.resource,
    singular: row.kind.toLowerCase(),
    isNamespaced: !row.isCluster,
    shortNames: row.short ?? [],
    categories: row.categories ?? [],
    subresources: sub,
    verbs: row.isReview ? ["create"] : STORED_VERBS,
    hasStatus: sub.includes("status"),
    isCustom: false,
  };
}
