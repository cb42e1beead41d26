import type { Container, ObjectMeta, PodSpec } from "#kube/types";

/** An object's or a template's metadata before the API server has filled it in. */
export type Meta = Partial<ObjectMeta>;

/** Any Kubernetes object as it stands in a manifest or an admission request. */
export interface Manifest {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: Meta;
  readonly spec?: unknown;
}

/** Where a workload keeps its pods' description, and what stands there. */
export interface PodTemplate {
  /** JSON pointer of the template inside the object: empty for a Pod itself. */
  readonly pathPrefix: string;
  readonly metadata: Meta;
  readonly spec: PodSpec;
}

/** An object that injection knows how to treat. */
export interface Workload {
  /** Lower case, as reports and labels write it. */
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly namespace: string;
  readonly metadata: Meta;
  /** Absent for a Namespace or a Service: only annotations can be patched there. */
  readonly template: PodTemplate | undefined;
  /** The whole object, as it came. */
  readonly object: Manifest;
}

const TEMPLATE_PATHS = {
  pod: "",
  deployment: "/spec/template",
  replicationcontroller: "/spec/template",
  replicaset: "/spec/template",
  job: "/spec/template",
  daemonset: "/spec/template",
  statefulset: "/spec/template",
  cronjob: "/spec/jobTemplate/spec/template",
  namespace: undefined,
  service: undefined,
} as const;

export type WorkloadKind = keyof typeof TEMPLATE_PATHS;

/** JSON pointer of the pods' template inside an object of this kind; undefined when such objects have none. */
export function podTemplatePath({ kind = "" }: Manifest): string | undefined {
  const known = String(kind).toLowerCase();
  return Object.hasOwn(TEMPLATE_PATHS, known) ? TEMPLATE_PATHS[known as WorkloadKind] : undefined;
}

/** Reads an object as a workload; undefined for a kind that injection leaves alone. */
export function readWorkload(object: Manifest): Workload | undefined {
  const kind = (object.kind ?? "").toLowerCase();
  if (!Object.hasOwn(TEMPLATE_PATHS, kind)) return undefined;
  const known = kind as WorkloadKind;
  const metadata = object.metadata ?? {};
  return {
    kind: known,
    name: metadata.name ?? metadata.generateName ?? "",
    namespace: metadata.namespace ?? "",
    metadata,
    template: readTemplate(object, TEMPLATE_PATHS[known]),
    object,
  };
}

function readTemplate(object: Manifest, pathPrefix: string | undefined): PodTemplate | undefined {
  if (pathPrefix === undefined) return undefined;
  let node: unknown = object;
  for (const key of pathPrefix.split("/").slice(1)) node = (node as Record<string, unknown> | undefined)?.[key];
  const template = node as { metadata?: Meta; spec?: PodSpec } | undefined;
  if (!template?.spec) return undefined;
  return { pathPrefix, metadata: template.metadata ?? {}, spec: template.spec };
}

/** Every container of a pod, those that run first in front. */
export function allContainers(spec: PodSpec): readonly Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
}

/** Named TCP or UDP ports of a pod's containers; the first of a name wins. */
export function namedContainerPorts(spec: PodSpec): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const container of allContainers(spec)) {
    for (const port of container.ports ?? []) {
      if (port.name && !ports.has(port.name)) ports.set(port.name, port.containerPort);
    }
  }
  return ports;
}
