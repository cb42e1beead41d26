import { ANNOTATIONS } from "#contracts/labels";
import type { PodSpec } from "#kube/types";
import type { Workload } from "./workload.ts";

/** Why an object is left without a proxy: code (metrics, events) and what a person reads. */
export const SKIP_REASONS = {
  host_network_enabled: "hostNetwork is enabled",
  sidecar_already_exists: "pod has a sidecar injected already",
  unsupported_resource: "this resource kind is unsupported",
  invalid_inject_annotation_at_ns:
    'the namespace\'s annotation "linkerd.io/inject" must be "enabled", "ingress" or "disabled"',
  invalid_inject_annotation_at_workload:
    'the workload\'s annotation "linkerd.io/inject" must be "enabled", "ingress" or "disabled"',
  injection_disable_annotation_present: 'pod has the annotation "linkerd.io/inject: disabled"',
  injection_enable_annotation_absent:
    'neither the namespace nor the pod have the annotation "linkerd.io/inject: enabled" (or "ingress")',
  disabled_automount_service_account_token_account:
    'automountServiceAccountToken is set to "false", with "identity.serviceAccountTokenProjection" set to "false"',
} as const;

export type SkipReason = keyof typeof SKIP_REASONS;

export interface Decision {
  readonly isInjectable: boolean;
  /** Every check that spoke against it, in the order of the checks. */
  readonly reasons: readonly SkipReason[];
  /** Which object's annotation decided; empty when none did. */
  readonly annotationAt: "namespace" | "workload" | "";
}

export interface DecisionInput {
  readonly workload: Workload;
  readonly namespaceAnnotations: Readonly<Record<string, string>>;
  /** `identity.serviceAccountTokenProjection` of the values: with it a pod needs no default token. */
  readonly projectsToken: boolean;
}

/** Whether a workload gets a proxy. All checks run, so that a person sees every reason at once. */
export function decide({ workload, namespaceAnnotations, projectsToken }: DecisionInput): Decision {
  const reasons: SkipReason[] = [];
  const template = workload.template;
  if (template?.spec.hostNetwork === true) reasons.push("host_network_enabled");
  if (template && hasSidecar(template.spec)) reasons.push("sidecar_already_exists");
  if (!template) reasons.push("unsupported_resource");
  const asked = askedBy(
    namespaceAnnotations[ANNOTATIONS.inject] ?? "",
    (template?.metadata ?? workload.metadata).annotations?.[ANNOTATIONS.inject] ?? "",
  );
  if (asked.reason) reasons.push(asked.reason);
  if (template && !projectsToken && lacksToken(template.spec)) {
    reasons.push("disabled_automount_service_account_token_account");
  }
  return { isInjectable: reasons.length === 0, reasons, annotationAt: asked.at };
}

/** The reasons as one sentence for an event or a report. */
export function explain(reasons: readonly SkipReason[]): string {
  return reasons.map((reason) => SKIP_REASONS[reason]).join(", ");
}

interface Asked {
  readonly reason: SkipReason | undefined;
  readonly at: Decision["annotationAt"];
}

function askedBy(ofNamespace: string, ofPod: string): Asked {
  if (ofNamespace !== "" && !isLegal(ofNamespace)) return { reason: "invalid_inject_annotation_at_ns", at: "" };
  if (ofPod !== "" && !isLegal(ofPod)) return { reason: "invalid_inject_annotation_at_workload", at: "" };
  if (asksFor(ofNamespace)) {
    return ofPod === "disabled"
      ? { reason: "injection_disable_annotation_present", at: "workload" }
      : { reason: undefined, at: "namespace" };
  }
  if (asksFor(ofPod)) return { reason: undefined, at: "workload" };
  return { reason: "injection_enable_annotation_absent", at: "" };
}

function isLegal(value: string): boolean {
  return value === "enabled" || value === "ingress" || value === "disabled";
}

function asksFor(value: string): boolean {
  return value === "enabled" || value === "ingress";
}

// By repository path without a host, so that a mirrored image is recognised too.
const PROXY_IMAGE = /(^|\/)(linkerd|linkerd-ts)\/proxy:|(^|\/)istio(-release)?\/proxyv2:/;
const INIT_IMAGE = /(^|\/)(linkerd|linkerd-ts)\/proxy-init:|(^|\/)istio(-release)?\/proxy_init:/;

/** Whether a pod already carries a mesh's proxy or its network rules. */
export function hasSidecar(spec: PodSpec): boolean {
  const init = spec.initContainers ?? [];
  const isProxy = ({ name, image }: { name: string; image?: string }): boolean =>
    name === "linkerd-proxy" || name === "istio-proxy" || PROXY_IMAGE.test(image ?? "");
  return (
    [...init, ...(spec.containers ?? [])].some(isProxy) ||
    init.some(({ name, image }) => name === "linkerd-init" || name === "istio-init" || INIT_IMAGE.test(image ?? ""))
  );
}

/** Where Kubernetes mounts a pod's own token unless told not to. */
export const SERVICE_ACCOUNT_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

function lacksToken(spec: PodSpec): boolean {
  if (spec.automountServiceAccountToken === false) return true;
  return !(spec.containers?.[0]?.volumeMounts ?? []).some((mount) => mount.mountPath === SERVICE_ACCOUNT_MOUNT);
}
