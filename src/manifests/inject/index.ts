/**
 * Putting a workload into the mesh: from an object, the mesh's values and annotations to a JSON patch.
 * Pure: no cluster, no files, no clock. Used by the admission webhook, by `linkerd inject`, and by the manifests of the
 * mesh's own pods, which carry the same containers.
 *
 * Reading order: workload.ts (what is there), decision.ts (whether), annotations.ts and overrides.ts (how), owner.ts
 * (whose), inject.ts (the patch), proxy-env.ts, containers.ts, volumes.ts (its parts), uninject.ts, report.ts.
 */

export { type DeepPartial, defaultValues, mergeValues, type Values } from "../values.ts";
export * from "./annotations.ts";
export * from "./containers.ts";
export { type Decision, decide, explain, hasSidecar, SKIP_REASONS, type SkipReason } from "./decision.ts";
export { type InjectInput, type Injection, injectPatch, opaquePortsPatch } from "./inject.ts";
export { escapeKey, type PatchOperation } from "./json-patch.ts";
export { applyAnnotations, type Overridden, parseGoBool } from "./overrides.ts";
export * from "./owner.ts";
export { podInboundPorts } from "./pod-ports.ts";
export { formatPortList, type PortList, type PortRange, parsePortList } from "./port-list.ts";
export { type ControlPlaneComponent, type ProxyContext, proxyEnv } from "./proxy-env.ts";
export * from "./report.ts";
export { shapeError } from "./shape.ts";
export { type Uninjected, uninject } from "./uninject.ts";
export { proxyVolumes, xtablesVolume } from "./volumes.ts";
export { type Manifest, type Meta, type PodTemplate, readWorkload, type Workload } from "./workload.ts";
