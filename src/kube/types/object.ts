/** Who owns an object: when every owner is gone, so is the object. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** What every object carries. Instants are RFC 3339 strings. */
export interface ObjectMeta {
  name: string;
  generateName?: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  uid?: string;
  /** Opaque; equal strings mean the same version of the object. */
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: unknown[];
}

/** Any object of the API. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** A type from `kubernetes-types` (where metadata may be absent) as the server returns it. */
export type Served<T> = Omit<T, "apiVersion" | "kind" | "metadata"> & KubeObject;

/** What `create` takes: the server fills the name from `generateName` when that is given instead. */
export type Creatable<T extends KubeObject> = Omit<T, "metadata"> & {
  metadata: Omit<ObjectMeta, "name"> & { name?: string };
};

/** One page of a list, or all of it. */
export interface KubeList<T extends KubeObject> {
  apiVersion?: string;
  kind?: string;
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

/** A condition as `status.conditions` holds them. */
export interface Condition {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
}

/** Selects objects by their labels; empty selects all. */
export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** The identity of an object among those of its type: `namespace/name`, or `name` outside namespaces. */
export function objectKey(object: KubeObject): string {
  return keyOf(object.metadata.name, object.metadata.namespace);
}

/** As `objectKey`, from its parts. */
export function keyOf(name: string, namespace: string | undefined): string {
  return namespace ? `${namespace}/${name}` : name;
}
