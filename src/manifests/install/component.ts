import { createHash } from "node:crypto";
import { ANNOTATIONS, LABELS } from "#contracts/labels";
import type { Container, PodSpec, Probe, Service, Volume, VolumeMount } from "#kube/types";
import type { PartialResources, ProbeTimeouts, Values } from "../values.ts";
import { type Manifest, metadata, type Rendering } from "./object.ts";
import { withProxy } from "./proxy.ts";

export interface Component {
  /** The value of `linkerd.io/control-plane-component`; the Deployment and ServiceAccount are `linkerd-<name>`. */
  readonly name: "identity" | "destination" | "proxy-injector";
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
  /** Values as this pod's own proxy sees them. */
  readonly proxyValues: Values;
  readonly podAnnotations: Record<string, string>;
  /** A change here restarts the pods. */
  readonly restartsOn?: unknown;
}

/** One control-plane Deployment, its pods with their proxy. */
export function deployment(rendering: Rendering, component: Component): Manifest {
  const { values, namespace } = rendering;
  const name = `linkerd-${component.name}`;
  const selected = {
    [LABELS.controlPlaneComponent]: component.name,
    [LABELS.controlPlaneNs]: namespace,
    [LABELS.proxyDeployment]: name,
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: metadata(rendering, name, {
      component: component.name,
      annotated: true,
      labels: {
        "app.kubernetes.io/name": component.name,
        "app.kubernetes.io/part-of": "Linkerd",
        "app.kubernetes.io/version": values.linkerdVersion,
      },
    }),
    spec: {
      replicas: values.controllerReplicas,
      revisionHistoryLimit: values.revisionHistoryLimit,
      selector: { matchLabels: selected },
      ...(Object.keys(values.deploymentStrategy).length > 0 ? { strategy: values.deploymentStrategy } : {}),
      template: {
        metadata: {
          annotations: podAnnotations(rendering, component),
          labels: { ...selected, [LABELS.workloadNs]: namespace, ...values.podLabels },
        },
        spec: podSpec(rendering, component),
      },
    },
  };
}

function podAnnotations(rendering: Rendering, component: Component): Record<string, string> {
  const { values } = rendering;
  return {
    ...(component.restartsOn === undefined ? {} : { "checksum/config": sha256(JSON.stringify(component.restartsOn)) }),
    [ANNOTATIONS.createdBy]: rendering.createdBy,
    [ANNOTATIONS.proxyVersion]: values.proxy.image.version || values.linkerdVersion,
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
    [ANNOTATIONS.trustRootSha256]: sha256(values.identityTrustAnchorsPEM),
    ...values.podAnnotations,
    ...component.podAnnotations,
    [ANNOTATIONS.defaultInboundPolicy]: "all-unauthenticated",
  };
}

function podSpec(rendering: Rendering, component: Component): PodSpec {
  const { values } = rendering;
  const spec: PodSpec = {
    ...(values.runtimeClassName ? { runtimeClassName: values.runtimeClassName } : {}),
    ...(values.tolerations ? { tolerations: values.tolerations as PodSpec["tolerations"] & object } : {}),
    ...(Object.keys(values.nodeSelector).length > 0 ? { nodeSelector: values.nodeSelector } : {}),
    ...affinity(values, component.name),
    automountServiceAccountToken: false,
    containers: [...component.containers],
    initContainers: [],
    ...(values.priorityClassName ? { priorityClassName: values.priorityClassName } : {}),
    securityContext: { seccompProfile: { type: "RuntimeDefault" } },
    serviceAccountName: `linkerd-${component.name}`,
    volumes: [...component.volumes, kubeApiAccess],
  };
  return withProxy(spec, rendering, component);
}

function affinity(values: Values, component: string): Pick<PodSpec, "affinity"> {
  if (!values.enablePodAntiAffinity && !values.nodeAffinity) return {};
  const labelSelector = {
    matchExpressions: [{ key: LABELS.controlPlaneComponent, operator: "In", values: [component] }],
  };
  const podAntiAffinity = {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { podAffinityTerm: { labelSelector, topologyKey: "topology.kubernetes.io/zone" }, weight: 100 },
    ],
    requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: "kubernetes.io/hostname" }],
  };
  return {
    affinity: {
      ...(values.enablePodAntiAffinity ? { podAntiAffinity } : {}),
      ...(values.nodeAffinity ? { nodeAffinity: values.nodeAffinity } : {}),
    },
  };
}

/** The API token that the pod asks for itself (automounting is off), renewed by the kubelet within the hour. */
const kubeApiAccess: Volume = {
  name: "kube-api-access",
  projected: {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
      { configMap: { items: [{ key: "ca.crt", path: "ca.crt" }], name: "kube-root-ca.crt" } },
      {
        downwardAPI: {
          items: [{ fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" }, path: "namespace" }],
        },
      },
    ],
  },
};

/** Where programs look for the token of `kubeApiAccess`. */
export const kubeApiMount: VolumeMount = {
  mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
  name: "kube-api-access",
  readOnly: true,
};

export interface Program {
  readonly name: string;
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly args: readonly string[];
  readonly env?: Container["env"];
  readonly ports: Record<string, number>;
  readonly livePath: "/ping" | "/live";
  readonly adminPort: number;
  readonly timeouts: ProbeTimeouts;
  readonly resources?: PartialResources;
  readonly mounts: readonly VolumeMount[];
}

/** A control-plane container: no privileges, nothing writable, probed on its admin port. */
export function container(rendering: Rendering, program: Program): Container {
  const resources = program.resources && resourceRequirements(program.resources);
  return {
    args: [...program.args],
    ...(program.env ? { env: program.env } : {}),
    image: program.image,
    imagePullPolicy: program.imagePullPolicy,
    livenessProbe: {
      ...probe(program.livePath, program.adminPort, program.timeouts.livenessProbe),
      initialDelaySeconds: 10,
    },
    name: program.name,
    ports: Object.entries(program.ports).map(([name, containerPort]) => ({ containerPort, name })),
    readinessProbe: { failureThreshold: 7, ...probe("/ready", program.adminPort, program.timeouts.readinessProbe) },
    ...(resources ? { resources } : {}),
    securityContext: {
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: rendering.values.controllerUID,
      ...(rendering.values.controllerGID >= 0 ? { runAsGroup: rendering.values.controllerGID } : {}),
      allowPrivilegeEscalation: false,
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumeMounts: [...program.mounts, kubeApiMount],
  };
}

function probe(path: string, port: number, { timeoutSeconds }: { timeoutSeconds: number }): Probe {
  return { httpGet: { path, port }, timeoutSeconds };
}

function resourceRequirements(resources: PartialResources): Container["resources"] | undefined {
  const limits: Record<string, string> = {};
  const requests: Record<string, string> = {};
  for (const [kind, amount] of Object.entries(resources)) {
    if (amount?.limit) limits[kind] = amount.limit;
    if (amount?.request) requests[kind] = amount.request;
  }
  const found = {
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
  };
  return Object.keys(found).length > 0 ? found : undefined;
}

/** The controller's image with its tag. */
export function controllerImage(values: Values): string {
  return `${values.controllerImage}:${values.controllerImageVersion || values.linkerdVersion}`;
}

export interface ServicePorts {
  readonly name: string;
  readonly component: Component["name"];
  readonly port: { name: string; port: number; targetPort: number | string };
  readonly headless?: boolean;
  readonly annotations?: Record<string, string>;
}

export function service(rendering: Rendering, what: ServicePorts): Manifest & Service {
  const { component, annotations = {} } = what;
  return {
    kind: "Service",
    apiVersion: "v1",
    metadata: metadata(rendering, what.name, { component, annotated: true, annotations }),
    spec: {
      ...(what.headless ? { clusterIP: "None" } : { type: "ClusterIP" }),
      selector: { [LABELS.controlPlaneComponent]: component },
      ports: [what.port],
    },
  };
}

/** Keeps a drain from taking all replicas at once; only when the values ask for it. */
export function disruptionBudget(rendering: Rendering, name: string, component: Component["name"]): Manifest[] {
  if (!rendering.values.enablePodDisruptionBudget) return [];
  return [
    {
      kind: "PodDisruptionBudget",
      apiVersion: "policy/v1",
      metadata: metadata(rendering, name, { component, annotated: true }),
      spec: {
        maxUnavailable: rendering.values.controller.podDisruptionBudget.maxUnavailable,
        selector: { matchLabels: { [LABELS.controlPlaneComponent]: component } },
      },
    },
  ];
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
