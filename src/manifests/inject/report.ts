import { ANNOTATIONS } from "#contracts/labels";
import { hasSidecar, SKIP_REASONS, type SkipReason } from "./decision.ts";
import { allContainers, type Manifest, readWorkload, type Workload } from "./workload.ts";

/** Reasons that only the command line gives: the webhook injects such pods. */
export const REPORT_REASONS = {
  ...SKIP_REASONS,
  udp_ports_enabled: "UDP port(s) configured on pod spec",
  inject_disabled: '"linkerd.io/inject: disabled" annotation set',
} as const;

export type ReportReason = SkipReason | "udp_ports_enabled" | "inject_disabled";

/** What the command line says about one document of its input. */
export interface InjectReport {
  /** Lower case; empty when the document has no kind. */
  readonly kind: string;
  readonly name: string;
  /** Namespaces and Services are annotated only; kinds that mean nothing to the mesh are passed through. */
  readonly outcome: "injectable" | "annotatable" | "skipped";
  /** Why it is skipped, and for an injectable one what a person should know. */
  readonly reasons: readonly ReportReason[];
}

/** Judges a document as the command line does: without a namespace's annotations, where no annotation means yes. */
export function reportOn(object: Manifest, projectsToken = true): InjectReport {
  const workload = readWorkload(object);
  const name = object.metadata?.name ?? object.metadata?.generateName ?? "";
  if (!workload) {
    return { kind: (object.kind ?? "").toLowerCase(), name, outcome: "skipped", reasons: ["unsupported_resource"] };
  }
  const { kind } = workload;
  if (kind === "namespace" || kind === "service") return { kind, name, outcome: "annotatable", reasons: [] };
  const reasons = workload.template ? blocking(workload, projectsToken) : (["unsupported_resource"] as const);
  const hints: ReportReason[] = hasUdpPort(workload) ? ["udp_ports_enabled"] : [];
  return { kind, name, outcome: reasons.length > 0 ? "skipped" : "injectable", reasons: [...reasons, ...hints] };
}

function blocking({ template }: Workload, projectsToken: boolean): ReportReason[] {
  if (!template) return [];
  const reasons: ReportReason[] = [];
  if (template.spec.hostNetwork === true) reasons.push("host_network_enabled");
  if (hasSidecar(template.spec)) reasons.push("sidecar_already_exists");
  if (template.metadata.annotations?.[ANNOTATIONS.inject] === "disabled") reasons.push("inject_disabled");
  if (!projectsToken && template.spec.automountServiceAccountToken === false) {
    reasons.push("disabled_automount_service_account_token_account");
  }
  return reasons;
}

function hasUdpPort({ template }: Workload): boolean {
  if (!template) return false;
  return allContainers(template.spec).some((container) => container.ports?.some((port) => port.protocol === "UDP"));
}
