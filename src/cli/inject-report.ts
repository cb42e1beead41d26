import { type InjectReport, REPORT_REASONS, type ReportReason } from "#manifests/inject";
import type { Io } from "./io.ts";
import { sign } from "./signs.ts";

/** The outcome of one document, with what was really done to it. */
export interface Transformed {
  readonly report: InjectReport;
  readonly did: "injected" | "annotated" | "skipped" | "uninjected";
}

interface Notice {
  readonly reason: ReportReason;
  readonly fine: string;
  readonly warn: (names: string[]) => string;
}

const NOTICES: readonly Notice[] = [
  {
    reason: "host_network_enabled",
    fine: "pods do not use host networking",
    warn: (names) => `"hostNetwork: true" detected in ${names.join(", ")}`,
  },
  {
    reason: "sidecar_already_exists",
    fine: "pods do not have a 3rd party proxy or initContainer already injected",
    warn: (names) => `known 3rd party sidecar detected in ${names.join(", ")}`,
  },
  {
    reason: "inject_disabled",
    fine: "pods are not annotated to disable injection",
    warn: (names) => `"linkerd.io/inject: disabled" annotation set on ${names.join(", ")}`,
  },
];

const UDP: Notice = {
  reason: "udp_ports_enabled",
  fine: "pod specs do not include UDP ports",
  warn: (names) => `${names.join(", ")} ${names.length === 1 ? "uses" : "use"} "protocol: UDP"`,
};

const TOKEN: Notice = {
  reason: "disabled_automount_service_account_token_account",
  fine: 'pods do not have automountServiceAccountToken set to "false" or service account token projection is enabled',
  warn: (names) => `automountServiceAccountToken set to "false" in ${names.join(", ")}`,
};

/** Says on standard error what was done to each document, warnings first. */
export function printInjectReport(all: readonly Transformed[], io: Io, verbose: boolean): void {
  const reports = all.map(({ report }) => report);
  const notices = [
    ...NOTICES.map((notice) => noticeLine(notice, reports, io, verbose)),
    supportedLine(reports, io, verbose),
    ...[UDP, TOKEN].map((notice) => noticeLine(notice, reports, io, verbose)),
  ].join("");
  io.err(`\n${notices}${notices ? "\n" : ""}${all.map(outcomeLine).join("")}\n`);
}

/** As `printInjectReport` for `uninject`, which has nothing to warn of. */
export function printUninjectReport(all: readonly Transformed[], io: Io): void {
  io.err(`\n${all.map(outcomeLine).join("")}\n`);
}

function noticeLine(
  { reason, fine, warn }: Notice,
  reports: readonly InjectReport[],
  io: Io,
  verbose: boolean,
): string {
  const names = reports.filter((report) => report.reasons.includes(reason)).map(nameOf);
  if (names.length > 0) return `${sign(io, "warning")} ${warn(names)}\n`;
  return verbose ? `${sign(io, "ok")} ${fine}\n` : "";
}

function supportedLine(reports: readonly InjectReport[], io: Io, verbose: boolean): string {
  const isAny = reports.some(
    ({ outcome, reasons }) => outcome !== "skipped" || !reasons.includes("unsupported_resource"),
  );
  if (!isAny) return `${sign(io, "warning")} no supported objects found\n`;
  return verbose ? `${sign(io, "ok")} at least one resource can be injected or annotated\n` : "";
}

function nameOf({ kind, name }: InjectReport): string {
  return `${kind}/${name}`;
}

function outcomeLine({ report, did }: Transformed): string {
  if (report.kind === "") return 'document missing "kind" field, skipped\n';
  return `${report.kind} "${report.name}" ${did}\n`;
}

/** A skipped document's reasons in words. */
export function reasonsInWords(report: InjectReport): string {
  return report.reasons
    .filter((reason) => reason !== "udp_ports_enabled" || report.reasons.length > 1)
    .map((reason) => REPORT_REASONS[reason])
    .join(", ");
}
