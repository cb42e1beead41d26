/**
 * The control plane as Kubernetes objects, from values. Pure: no file, no cluster, no certificate is made here, and the
 * same values give the same bytes; turning objects into YAML is the caller's business.
 *
 * Reading order: control-plane.ts (what there is, in which order), identity.ts, destination.ts, proxy-injector.ts (the
 * programs), component.ts (what their pods share), proxy.ts (their own proxies), webhook.ts, rbac.ts, config.ts, crds/.
 */
export { type DeepPartial, defaultValues, haValues, mergeValues, type Values } from "../values.ts";
export { CONFIG_MAP, differences, OVERRIDES_SECRET } from "./config.ts";
export { type ControlPlaneOptions, controlPlaneObjects } from "./control-plane.ts";
export { type CrdRendering, crdObjects, requiredCrdNames } from "./crds/index.ts";
export { ISSUER_SECRET, TRUST_ROOTS_CONFIG_MAP } from "./identity.ts";
export { type Manifest, trustDomain } from "./object.ts";
export { allows, type Rule, reads } from "./rbac.ts";
