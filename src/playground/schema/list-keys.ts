/** How a list of a built-in type is merged. */
export interface ListMerge {
  /** Keys that tell items apart in server-side apply (`x-kubernetes-list-map-keys`). */
  readonly keys?: readonly string[];
  /** Key of strategic merge (`x-kubernetes-patch-merge-key`); it is one field only. */
  readonly patchKey?: string;
  /** A list of plain values without doubles. */
  readonly isSet?: boolean;
  /** Fields that a strategic patch does not name are dropped (`retainKeys`). */
  readonly retainKeys?: boolean;
}

const NAME: ListMerge = { keys: ["name"], patchKey: "name" };
const TYPE: ListMerge = { keys: ["type"], patchKey: "type" };
const UNIQUE: ListMerge = { isSet: true };

const CONTAINER: Record<string, ListMerge> = {
  env: NAME,
  ports: { keys: ["containerPort", "protocol"], patchKey: "containerPort" },
  volumeDevices: { keys: ["devicePath"], patchKey: "devicePath" },
  volumeMounts: { keys: ["mountPath"], patchKey: "mountPath" },
};
const CONDITIONS = { conditions: TYPE };

/** What Kubernetes' published OpenAPI says of lists; a list that is not named here is atomic. */
export const LIST_MERGE: Record<string, Record<string, ListMerge>> = {
  "meta/v1.ObjectMeta": {
    finalizers: UNIQUE,
    ownerReferences: { keys: ["uid"], patchKey: "uid" },
  },
  "core/v1.Container": CONTAINER,
  "core/v1.EphemeralContainer": CONTAINER,
  "core/v1.ResourceRequirements": { claims: { keys: ["name"] } },
  "core/v1.PodSpec": {
    containers: NAME,
    ephemeralContainers: NAME,
    hostAliases: { keys: ["ip"], patchKey: "ip" },
    imagePullSecrets: NAME,
    initContainers: NAME,
    resourceClaims: { ...NAME, retainKeys: true },
    schedulingGates: NAME,
    topologySpreadConstraints: { keys: ["topologyKey", "whenUnsatisfiable"], patchKey: "topologyKey" },
    volumes: { ...NAME, retainKeys: true },
  },
  "core/v1.PodStatus": { ...CONDITIONS, podIPs: { keys: ["ip"], patchKey: "ip" } },
  "core/v1.ServiceSpec": { ports: { keys: ["port", "protocol"], patchKey: "port" } },
  "core/v1.ServiceStatus": CONDITIONS,
  "core/v1.ServiceAccount": { secrets: NAME },
  "core/v1.NodeSpec": { podCIDRs: UNIQUE },
  "core/v1.NodeStatus": { ...CONDITIONS, addresses: TYPE },
  "core/v1.NamespaceStatus": CONDITIONS,
  "core/v1.PersistentVolumeClaimStatus": CONDITIONS,
  "core/v1.ReplicationControllerStatus": CONDITIONS,
  "apps/v1.DaemonSetStatus": CONDITIONS,
  "apps/v1.DeploymentStatus": CONDITIONS,
  "apps/v1.ReplicaSetStatus": CONDITIONS,
  "apps/v1.StatefulSetStatus": CONDITIONS,
  "batch/v1.JobStatus": { conditions: { patchKey: "type" } },
  "autoscaling/v2.HorizontalPodAutoscalerStatus": CONDITIONS,
  "policy/v1.PodDisruptionBudgetStatus": CONDITIONS,
  "apiextensions/v1.CustomResourceDefinitionStatus": { conditions: { keys: ["type"] } },
  "admissionregistration/v1.MutatingWebhookConfiguration": { webhooks: NAME },
  "admissionregistration/v1.ValidatingWebhookConfiguration": { webhooks: NAME },
  "admissionregistration/v1.MutatingWebhook": { matchConditions: NAME },
  "admissionregistration/v1.ValidatingWebhook": { matchConditions: NAME },
};

/** Objects that are replaced as a whole by server-side apply (`x-kubernetes-map-type: atomic`). */
export const ATOMIC_TYPES: ReadonlySet<string> = new Set([
  "meta/v1.LabelSelector",
  "core/v1.ConfigMapKeySelector",
  "core/v1.EndpointAddress",
  "core/v1.LocalObjectReference",
  "core/v1.NodeSelector",
  "core/v1.NodeSelectorTerm",
  "core/v1.ObjectFieldSelector",
  "core/v1.ObjectReference",
  "core/v1.ResourceFieldSelector",
  "core/v1.ScopeSelector",
  "core/v1.SecretKeySelector",
  "core/v1.SecretReference",
  "core/v1.TopologySelectorTerm",
  "core/v1.TypedLocalObjectReference",
  "rbac/v1.RoleRef",
  "rbac/v1.Subject",
]);

/** Maps that are replaced as a whole: type, field. */
export const ATOMIC_MAPS: ReadonlySet<string> = new Set([
  "core/v1.ServiceSpec.selector",
  "core/v1.PodSpec.nodeSelector",
  "core/v1.ReplicationControllerSpec.selector",
]);

/** Objects whose strategic patch drops what it does not name (`$retainKeys` lists the rest). */
export const RETAIN_KEYS: ReadonlySet<string> = new Set(["apps/v1.DeploymentSpec.strategy"]);
