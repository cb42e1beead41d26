import { acceptedStatus } from "../schema/crd.ts";
import { isObject, type KubeObject, sameJson } from "../store/object.ts";
import type { ResourceType } from "../store/resources.ts";
import { StatusError } from "../store/status.ts";
import type { Store } from "../store/store.ts";
import type { ServiceAddresses } from "./service-addresses.ts";

type Fields = Record<string, unknown>;

/** What the rules below need of their surroundings. */
export interface Surroundings {
  readonly store: Store;
  readonly addresses: ServiceAddresses;
  /** RFC 3339, whole seconds. */
  readonly now: string;
}

/** Built-in kinds whose `metadata.generation` counts changes of spec. */
const COUNTED = new Set([
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "CronJob",
  "Pod",
  "Ingress",
  "NetworkPolicy",
  "PodDisruptionBudget",
  "CustomResourceDefinition",
  "MutatingWebhookConfiguration",
  "ValidatingWebhookConfiguration",
  "EndpointSlice",
  "APIService",
  "ReplicationController",
]);

export function countsGeneration(type: ResourceType): boolean {
  return type.isCustom || COUNTED.has(type.kind);
}

/** The part of an object whose change is a new generation: all but metadata and status. */
export function desiredPart(object: KubeObject): Fields {
  const { metadata: _meta, status: _status, apiVersion: _apiVersion, kind: _kind, ...rest } = object;
  return rest;
}

/** What a kind sets on creation that no client may choose, in place. Runs after defaults, before validation. */
export function prepareCreate(type: ResourceType, object: KubeObject, around: Surroundings): void {
  if (type.hasStatus) delete object["status"];
  const spec = isObject(object["spec"]) ? (object["spec"] as Fields) : {};
  switch (type.kind) {
    case "Pod":
      object["status"] = { phase: "Pending", qosClass: qosClass(spec) };
      break;
    case "Namespace":
      object["spec"] = { finalizers: ["kubernetes"] };
      object["status"] = { phase: "Active" };
      break;
    case "Service":
      around.addresses.allocate(object);
      object["status"] = { loadBalancer: {} };
      break;
    case "Deployment":
    case "StatefulSet":
    case "Job":
    case "CronJob":
    case "PodDisruptionBudget":
      object["status"] = type.kind === "StatefulSet" ? { availableReplicas: 0, replicas: 0 } : {};
      break;
    case "ReplicaSet":
    case "ReplicationController":
      object["status"] = { replicas: 0 };
      break;
    case "DaemonSet":
      object["status"] = {
        currentNumberScheduled: 0,
        desiredNumberScheduled: 0,
        numberMisscheduled: 0,
        numberReady: 0,
      };
      break;
    case "CustomResourceDefinition":
      object["status"] = acceptedStatus(object, around.now);
      break;
    case "APIService":
      object["status"] = {};
      break;
    case "PersistentVolumeClaim":
    case "PersistentVolume":
      object["status"] = { phase: "Pending" };
      break;
  }
}

/** What a kind carries over from the old object on a plain update, in place. */
export function prepareUpdate(type: ResourceType, object: KubeObject, old: KubeObject, around: Surroundings): void {
  if (type.hasStatus) {
    if (old["status"] === undefined) delete object["status"];
    else object["status"] = old["status"];
  }
  switch (type.kind) {
    case "Service":
      around.addresses.reallocate(object, old);
      break;
    case "Namespace":
      object["spec"] = old["spec"];
      break;
    case "CustomResourceDefinition":
      object["status"] = acceptedStatus(object, around.now);
      break;
    case "Pod": {
      const spec = object["spec"] as Fields | undefined;
      const before = old["spec"] as Fields | undefined;
      if (spec && before?.["nodeName"] && !spec["nodeName"]) spec["nodeName"] = before["nodeName"];
      break;
    }
  }
}

/** Guaranteed, Burstable or BestEffort. */
function qosClass(spec: Fields): string {
  const containers = [...lists(spec["containers"]), ...lists(spec["initContainers"])];
  const resources = containers.map(
    (container) => (container["resources"] ?? {}) as { limits?: Fields; requests?: Fields },
  );
  if (resources.every(({ limits, requests }) => empty(limits) && empty(requests))) return "BestEffort";
  const isGuaranteed = resources.every(
    ({ limits, requests }) =>
      limits?.["cpu"] !== undefined && limits["memory"] !== undefined && sameJson(limits, requests ?? limits),
  );
  return isGuaranteed ? "Guaranteed" : "Burstable";
}

function empty(value: Fields | undefined): boolean {
  return !value || Object.keys(value).length === 0;
}

function lists(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** Refuses writes into a namespace that is not there or on its way out. */
export function checkNamespace(store: Store, type: ResourceType, namespace: string, name: string): void {
  const found = store.get("namespaces", undefined, namespace);
  if (!found) throw StatusError.notFound("namespaces", namespace);
  if (!found.metadata.deletionTimestamp) return;
  const resource = type.group ? `${type.resource}.${type.group}` : type.resource;
  const error = StatusError.forbidden(
    resource,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  error.details!.causes = [
    {
      reason: "NamespaceTerminating",
      message: `namespace ${namespace} is being terminated`,
      field: "metadata.namespace",
    },
  ];
  throw error;
}
