/** Whose policy is asked for, in either of the forms that proxies send. */
export interface WorkloadName {
  readonly namespace: string;
  readonly kind: "pod" | "external-workload";
  readonly name: string;
}

/** Reads `{"ns":"shop","pod":"web-1"}`, `{"ns":…,"external_workload":…}` or `shop:web-1`; undefined for anything else. */
export function parseWorkloadName(text: string): WorkloadName | undefined {
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) return fromJson(trimmed);
  const [namespace, name, ...rest] = trimmed.split(":");
  return namespace && name && rest.length === 0 ? { namespace, kind: "pod", name } : undefined;
}

function fromJson(text: string): WorkloadName | undefined {
  let value: { ns?: unknown; pod?: unknown; external_workload?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // the caller quotes the text
  }
  const { ns, pod, external_workload: external } = value;
  if (typeof ns !== "string" || ns === "") return undefined;
  if (typeof pod === "string" && pod !== "") return { namespace: ns, kind: "pod", name: pod };
  return typeof external === "string" && external !== ""
    ? { namespace: ns, kind: "external-workload", name: external }
    : undefined;
}
