import { cpus, totalmem } from "node:os";
import type { Container, Pod } from "#kube/types";
import { NODE_ADDRESS } from "./addresses.ts";
import { parseQuantity } from "./quantity.ts";

/** One field of a pod as the downward API names it (`metadata.labels['app']`, `status.podIP`); undefined when unknown. */
export function podField(pod: Pod, path: string, podIp: string): string | undefined {
  const keyed = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(path);
  if (keyed) return pod.metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2]!] ?? "";
  switch (path) {
    case "metadata.name":
      return pod.metadata.name;
    case "metadata.namespace":
      return pod.metadata.namespace ?? "";
    case "metadata.uid":
      return pod.metadata.uid ?? "";
    case "metadata.labels":
      return mapLines(pod.metadata.labels);
    case "metadata.annotations":
      return mapLines(pod.metadata.annotations);
    case "spec.nodeName":
      return pod.spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec?.serviceAccountName ?? "default";
    case "status.hostIP":
    case "status.hostIPs":
      return NODE_ADDRESS;
    case "status.podIP":
    case "status.podIPs":
      return podIp;
    default:
      return undefined;
  }
}

/** `key="value"` lines in order of keys, as kubelets write them. */
function mapLines(map: Readonly<Record<string, string>> = {}): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${JSON.stringify(map[key])}`)
    .join("\n");
}

/** `limits.cpu` and friends, divided and rounded up; a missing limit is the machine's whole size. */
export function resourceField(container: Container, resource: string, divisor: string | undefined): string | undefined {
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage)$/.exec(resource);
  if (!match) return undefined;
  const set = container.resources?.[match[1] as "limits" | "requests"]?.[match[2]!];
  const amount = set === undefined ? fallback(match[1]!, match[2]!) : parseQuantity(set);
  const unit = !divisor || divisor === "0" ? 1 : parseQuantity(divisor);
  return amount === undefined || !unit ? undefined : String(Math.ceil(amount / unit));
}

function fallback(side: string, resource: string): number {
  if (side === "requests") return 0;
  return resource === "cpu" ? cpus().length : resource === "memory" ? totalmem() : 0;
}
