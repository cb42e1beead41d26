import { ANNOTATIONS } from "#contracts/labels";
import type { Container, Pod, Probe } from "#kube/types";
import { type PortRange, parsePortList } from "#manifests/inject";
import { type DefaultPolicy, isDefaultPolicy, requireIdentity } from "../core/authorization.ts";
import type { PolicyObjects } from "./objects.ts";

/** Whose port a proxy asks about. */
export interface WorkloadRef {
  readonly namespace: string;
  readonly kind: "pod" | "external-workload";
  readonly name: string;
}

/** What inbound policy needs to know of a pod or external workload. */
export interface InboundWorkload {
  readonly kind: WorkloadRef["kind"];
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Every port of that name; containers may each have one. */
  portsNamed(name: string): readonly number[];
  /** Paths that kubelets ask by HTTP on a port. */
  probePaths(port: number): readonly string[];
}

/** Finds the workload; undefined when the cluster has none of that name. */
export function findWorkload(objects: PolicyObjects, ref: WorkloadRef): InboundWorkload | undefined {
  if (ref.kind === "pod") {
    const pod = objects.pods.get(ref.name, ref.namespace);
    return pod && podWorkload(pod, ref.namespace);
  }
  const external = objects.externalWorkloads.get(ref.name, ref.namespace);
  if (!external) return undefined;
  const ports = external.spec.ports ?? [];
  return {
    kind: ref.kind,
    namespace: ref.namespace,
    labels: external.metadata.labels ?? {},
    annotations: external.metadata.annotations ?? {},
    portsNamed: (name) =>
      ports
        .filter((port) => port.name === name)
        .slice(0, 1)
        .map(({ port }) => port),
    probePaths: () => [],
  };
}

function podWorkload(pod: Pod, namespace: string): InboundWorkload {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return {
    kind: "pod",
    namespace,
    labels: pod.metadata.labels ?? {},
    annotations: pod.metadata.annotations ?? {},
    portsNamed: (name) => containers.flatMap((container) => namedPorts(container, name)),
    probePaths: (port) => [...new Set(containers.flatMap((container) => probePaths(container, port)))].sort(),
  };
}

function namedPorts(container: Container, name: string): number[] {
  return (container.ports ?? [])
    .filter((port) => port.name === name && (port.protocol ?? "TCP") === "TCP")
    .map((port) => port.containerPort);
}

function probePaths(container: Container, port: number): string[] {
  return [container.livenessProbe, container.readinessProbe, container.startupProbe].flatMap((probe) => {
    const http = probe?.httpGet;
    if (!http || !probePorts(container, probe).includes(port)) return [];
    const path = (http.path ?? "/").split("?")[0] || "/";
    return [path.startsWith("/") ? path : `/${path}`];
  });
}

function probePorts(container: Container, probe: Probe): readonly number[] {
  const port: unknown = probe.httpGet?.port;
  return typeof port === "number" ? [port] : namedPorts(container, String(port));
}

/** How a port that no Server describes is treated. */
export interface PortDefaults {
  readonly policy: DefaultPolicy;
  readonly isOpaque: boolean;
}

/** The workload's own annotations over the controller's default. Injection has copied the namespace's onto the pod. */
export function portDefaults(workload: InboundWorkload, port: number, fallback: DefaultPolicy): PortDefaults {
  const asked = workload.annotations[ANNOTATIONS.defaultInboundPolicy];
  const policy = isDefaultPolicy(asked) ? asked : fallback;
  const isListed = (annotation: string): boolean => {
    const text = workload.annotations[annotation];
    return text !== undefined && portsIn(text, workload).some(({ first, last }) => first <= port && port <= last);
  };
  return {
    policy: isListed(ANNOTATIONS.requireIdentityInboundPorts) ? requireIdentity(policy) : policy,
    isOpaque: isListed(ANNOTATIONS.opaquePorts),
  };
}

/** Names are resolved as the injector resolves them, so that both sides agree. */
function portsIn(text: string, workload: InboundWorkload): readonly PortRange[] {
  const named = new Map<string, number>();
  for (const entry of text.split(",")) {
    const port = workload.portsNamed(entry.trim())[0];
    if (port !== undefined) named.set(entry.trim(), port);
  }
  return parsePortList(text, named).ranges;
}
