import { ANNOTATIONS, LABELS } from "#contracts/labels";
import type { ObjectMeta } from "#kube/types";
import type { Values } from "../values.ts";

/** A Kubernetes object as it goes into a manifest: plain data, keys in the order they are printed. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** What every object of one rendering shares. */
export interface Rendering {
  readonly values: Values;
  /** The control plane's namespace. */
  readonly namespace: string;
  /** Who made the objects, for `linkerd.io/created-by`: `linkerd/cli edge-…`. */
  readonly createdBy: string;
}

interface Naming {
  readonly component?: string;
  readonly namespaced?: boolean;
  readonly annotated?: boolean;
  readonly annotations?: Record<string, string>;
  readonly labels?: Record<string, string>;
}

/** Name, namespace, labels and annotations in the form that the control plane's objects share. */
export function metadata(rendering: Rendering, name: string, naming: Naming = {}): ObjectMeta {
  const { component, namespaced = true, annotated = false } = naming;
  const annotations = {
    ...(annotated ? { [ANNOTATIONS.createdBy]: rendering.createdBy } : {}),
    ...naming.annotations,
  };
  return {
    name,
    ...(namespaced ? { namespace: rendering.namespace } : {}),
    labels: {
      ...naming.labels,
      ...(component ? { [LABELS.controlPlaneComponent]: component } : {}),
      [LABELS.controlPlaneNs]: rendering.namespace,
      ...rendering.values.commonLabels,
    },
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}

/** The domain of workload names in certificates. */
export function trustDomain(values: Values): string {
  return values.identityTrustDomain || values.clusterDomain;
}

/** The same tree with every map's keys in alphabetical order, so that what is stored does not depend on how it was built. */
export function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, item]) => [key, sortKeys(item)]));
}

/** Text as a Secret holds it. */
export function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
