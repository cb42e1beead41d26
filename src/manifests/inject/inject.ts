import { createHash } from "node:crypto";
import { ANNOTATIONS, LABELS } from "#contracts/labels";
import type { Values } from "../values.ts";
import { inheritedAnnotations, TRACE_ATTRIBUTE_PREFIX } from "./annotations.ts";
import { debugContainer, initContainer, proxyContainer, traitsOf, validatorContainer } from "./containers.ts";
import { PatchBuilder, type PatchOperation } from "./json-patch.ts";
import { applyAnnotations, type Overridden } from "./overrides.ts";
import { type Owner, ownerLabel } from "./owner.ts";
import { containerPorts, defaultOpaque, podInboundPorts } from "./pod-ports.ts";
import { proxyVolumes, xtablesVolume } from "./volumes.ts";
import { type Meta, namedContainerPorts, type PodTemplate, type Workload } from "./workload.ts";

/** All that a pod's patch depends on. */
export interface InjectInput {
  readonly workload: Workload;
  readonly values: Values;
  readonly controlPlaneNs: string;
  /** The namespace the pods will live in. */
  readonly namespace: string;
  readonly namespaceAnnotations: Readonly<Record<string, string>>;
  /** What the pods belong to; their labels name it. */
  readonly owner: Pick<Owner, "kind" | "name">;
  /** Who writes: `linkerd/proxy-injector <version>` or `linkerd/cli <version>`. */
  readonly createdBy: string;
}

export interface Injection {
  readonly patch: readonly PatchOperation[];
  /** Annotations that could not be followed, a sentence each. */
  readonly warnings: readonly string[];
}

/**
 * The patch that puts a proxy into a workload's pods. The caller has decided that it is wanted.
 * Throws when the mesh's own values cannot be rendered; a workload's bad annotation is a warning.
 */
export function injectPatch(input: InjectInput): Injection {
  const template = input.workload.template;
  if (!template) throw new Error(`Cannot inject ${input.workload.kind}/${input.workload.name}: it has no pod template`);
  const added = addedAnnotations(input, template);
  const overridden = applyAnnotations({
    values: input.values,
    annotations: { ...template.metadata.annotations, ...added },
    namespaceAnnotations: input.namespaceAnnotations,
    namedPorts: namedContainerPorts(template.spec),
  });
  const { values } = overridden;
  const patch = new PatchBuilder(template.pathPrefix);
  patchMetadata(patch, template.metadata, {
    annotations: {
      ...added,
      [ANNOTATIONS.proxyVersion]: values.proxy.image.version || values.linkerdVersion,
      [ANNOTATIONS.trustRootSha256]: createHash("sha256").update(input.values.identityTrustAnchorsPEM).digest("hex"),
    },
    labels: podLabels(input),
  });
  patchSpec(patch, template, overridden, input);
  return { patch: patch.operations, warnings: overridden.warnings };
}

/** What the pod takes over from its namespace, and the opaque ports derived from its containers when nobody names any. */
function addedAnnotations(input: InjectInput, template: PodTemplate): Record<string, string> {
  const own = template.metadata.annotations ?? {};
  const added: Record<string, string> = {
    [ANNOTATIONS.createdBy]: input.createdBy,
    ...inheritedAnnotations(own, input.namespaceAnnotations),
  };
  if (own[ANNOTATIONS.opaquePorts] === undefined && added[ANNOTATIONS.opaquePorts] === undefined) {
    const opaque = defaultOpaque(containerPorts(template.spec), input.values.proxy.opaquePorts);
    if (opaque.length > 0) added[ANNOTATIONS.opaquePorts] = opaque.join(",");
  }
  return added;
}

function podLabels({ owner, controlPlaneNs, namespace, workload }: InjectInput): Record<string, string> {
  const ownedBy = ownerLabel(owner.kind, workload.kind === "cronjob");
  return {
    [LABELS.controlPlaneNs]: controlPlaneNs,
    [LABELS.workloadNs]: namespace,
    ...(ownedBy ? { [ownedBy]: owner.name } : {}),
  };
}

function patchMetadata(
  patch: PatchBuilder,
  present: Meta,
  { annotations, labels }: { annotations: Record<string, string>; labels: Record<string, string> },
): void {
  if (Object.keys(present).length === 0) patch.add("/metadata", {});
  patch.addEntries("/metadata/annotations", annotations, present.annotations !== undefined);
  patch.addEntries("/metadata/labels", labels, present.labels !== undefined);
}

function patchSpec(
  patch: PatchBuilder,
  { metadata, spec }: PodTemplate,
  { values, hasDebugContainer }: Overridden,
  { controlPlaneNs }: InjectInput,
): void {
  const traits = traitsOf(spec);
  if (!spec.volumes?.length) patch.add("/spec/volumes", []);
  if (!spec.initContainers?.length) patch.add("/spec/initContainers", []);
  if (!values.cniEnabled) patch.add("/spec/volumes/-", xtablesVolume(values));
  const first = values.cniEnabled ? validatorContainer(values) : initContainer(values, traits);
  patch.add(`/spec/initContainers/${values.proxy.nativeSidecar ? "0" : "-"}`, first);
  if (hasDebugContainer) patch.add("/spec/containers/-", debugContainer(values));
  for (const volume of proxyVolumes(values)) patch.add("/spec/volumes/-", volume);
  const proxy = proxyContainer(
    { values, controlPlaneNs, podInboundPorts: podInboundPorts(spec), traceLabels: traceLabels(metadata) },
    traits,
  );
  patch.add(proxyPath(values.proxy), proxy);
}

/** A native sidecar starts after the network rules and before all else; an awaited one must be the first container. */
function proxyPath({ nativeSidecar, await: isAwaited }: Values["proxy"]): string {
  if (nativeSidecar) return "/spec/initContainers/1";
  return isAwaited ? "/spec/containers/0" : "/spec/containers/-";
}

function traceLabels({ labels = {}, annotations = {} }: Meta): Record<string, string> {
  const service = labels["app.kubernetes.io/instance"] ?? labels["app.kubernetes.io/name"];
  const attributes: Record<string, string> = service ? { "service.name": service } : {};
  for (const [key, value] of Object.entries(annotations)) {
    if (key.startsWith(TRACE_ATTRIBUTE_PREFIX)) attributes[key.slice(TRACE_ATTRIBUTE_PREFIX.length)] = value;
  }
  return attributes;
}

/** Where a Service's port leads, as far as opaqueness goes. */
interface ServicePortShape {
  readonly port: number;
  readonly targetPort?: number | string;
}

/**
 * The patch for a pod or Service that gets no proxy: its opaque ports, from its namespace or from the defaults.
 * Empty when it names its own, or none apply.
 */
export function opaquePortsPatch(
  workload: Workload,
  namespaceAnnotations: Readonly<Record<string, string>>,
  defaults: string,
): readonly PatchOperation[] {
  const metadata = workload.template?.metadata ?? workload.metadata;
  const key = ANNOTATIONS.opaquePorts;
  if (workload.metadata.annotations?.[key] !== undefined || metadata.annotations?.[key] !== undefined) return [];
  const ports = namespaceAnnotations[key] ?? defaultOpaquePorts(workload, defaults).join(",");
  if (ports === "") return [];
  const patch = new PatchBuilder(workload.template?.pathPrefix ?? "");
  patch.addEntries("/metadata/annotations", { [key]: ports }, metadata.annotations !== undefined);
  return patch.operations;
}

function defaultOpaquePorts(workload: Workload, defaults: string): number[] {
  if (workload.template) return defaultOpaque(containerPorts(workload.template.spec), defaults);
  if (workload.kind !== "service") return [];
  const { ports = [] } = (workload.object.spec ?? {}) as { ports?: ServicePortShape[] };
  return ports
    .filter(({ port, targetPort }) => {
      const decisive = targetPort === undefined || targetPort === 0 ? port : targetPort;
      return typeof decisive === "number" && defaultOpaque([decisive], defaults).length > 0;
    })
    .map(({ port }) => port);
}
