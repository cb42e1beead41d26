/** Kubernetes' own kinds that the product reads or writes. */
import type {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  CronJob,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Endpoints,
  Event,
  Job,
  Lease,
  MutatingWebhookConfiguration,
  Namespace,
  Node,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  Role,
  RoleBinding,
  Secret,
  SelfSubjectAccessReview,
  Service,
  ServiceAccount,
  StatefulSet,
  SubjectAccessReview,
  TokenReview,
  ValidatingWebhookConfiguration,
} from "./builtin.ts";
import { clusterScoped, namespaced } from "./resource-type.ts";

export const PODS = namespaced<Pod>("", "v1", "pods", "Pod");
export const SERVICES = namespaced<Service>("", "v1", "services", "Service");
export const ENDPOINTS = namespaced<Endpoints>("", "v1", "endpoints", "Endpoints");
export const NODES = clusterScoped<Node>("", "v1", "nodes", "Node");
export const NAMESPACES = clusterScoped<Namespace>("", "v1", "namespaces", "Namespace");
export const SECRETS = namespaced<Secret>("", "v1", "secrets", "Secret");
export const CONFIG_MAPS = namespaced<ConfigMap>("", "v1", "configmaps", "ConfigMap");
export const SERVICE_ACCOUNTS = namespaced<ServiceAccount>("", "v1", "serviceaccounts", "ServiceAccount");
export const EVENTS = namespaced<Event>("", "v1", "events", "Event");
export const REPLICATION_CONTROLLERS = namespaced<ReplicationController>(
  "",
  "v1",
  "replicationcontrollers",
  "ReplicationController",
);
export const DEPLOYMENTS = namespaced<Deployment>("apps", "v1", "deployments", "Deployment");
export const REPLICA_SETS = namespaced<ReplicaSet>("apps", "v1", "replicasets", "ReplicaSet");
export const STATEFUL_SETS = namespaced<StatefulSet>("apps", "v1", "statefulsets", "StatefulSet");
export const DAEMON_SETS = namespaced<DaemonSet>("apps", "v1", "daemonsets", "DaemonSet");
export const JOBS = namespaced<Job>("batch", "v1", "jobs", "Job");
export const CRON_JOBS = namespaced<CronJob>("batch", "v1", "cronjobs", "CronJob");
export const ENDPOINT_SLICES = namespaced<EndpointSlice>("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");
export const LEASES = namespaced<Lease>("coordination.k8s.io", "v1", "leases", "Lease");
export const POD_DISRUPTION_BUDGETS = namespaced<PodDisruptionBudget>(
  "policy",
  "v1",
  "poddisruptionbudgets",
  "PodDisruptionBudget",
);
export const ROLES = namespaced<Role>("rbac.authorization.k8s.io", "v1", "roles", "Role");
export const ROLE_BINDINGS = namespaced<RoleBinding>("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding");
export const CLUSTER_ROLES = clusterScoped<ClusterRole>(
  "rbac.authorization.k8s.io",
  "v1",
  "clusterroles",
  "ClusterRole",
);
export const CLUSTER_ROLE_BINDINGS = clusterScoped<ClusterRoleBinding>(
  "rbac.authorization.k8s.io",
  "v1",
  "clusterrolebindings",
  "ClusterRoleBinding",
);
export const TOKEN_REVIEWS = clusterScoped<TokenReview>("authentication.k8s.io", "v1", "tokenreviews", "TokenReview");
export const SUBJECT_ACCESS_REVIEWS = clusterScoped<SubjectAccessReview>(
  "authorization.k8s.io",
  "v1",
  "subjectaccessreviews",
  "SubjectAccessReview",
);
export const SELF_SUBJECT_ACCESS_REVIEWS = clusterScoped<SelfSubjectAccessReview>(
  "authorization.k8s.io",
  "v1",
  "selfsubjectaccessreviews",
  "SelfSubjectAccessReview",
);
export const CUSTOM_RESOURCE_DEFINITIONS = clusterScoped<CustomResourceDefinition>(
  "apiextensions.k8s.io",
  "v1",
  "customresourcedefinitions",
  "CustomResourceDefinition",
);
export const MUTATING_WEBHOOK_CONFIGURATIONS = clusterScoped<MutatingWebhookConfiguration>(
  "admissionregistration.k8s.io",
  "v1",
  "mutatingwebhookconfigurations",
  "MutatingWebhookConfiguration",
);
export const VALIDATING_WEBHOOK_CONFIGURATIONS = clusterScoped<ValidatingWebhookConfiguration>(
  "admissionregistration.k8s.io",
  "v1",
  "validatingwebhookconfigurations",
  "ValidatingWebhookConfiguration",
);
