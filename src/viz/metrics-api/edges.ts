import type { Pod } from "#kube/types";
import type { Edge, EdgesRequest } from "#proto/viz";
import { kindLabel } from "./kind-label.ts";
import { kindOf, RequestError } from "./request.ts";
import { equal, present, type Sample } from "./source.ts";
import type { StatContext } from "./stat-summary.ts";

/** Connections opened within this window make an edge even when they are closed again: short ones are edges too. */
const RECENT_MS = 60_000;

/** Reasons a connection is not secured, as people read them. */
const REASONS: Readonly<Record<string, string>> = {
  disabled: "Disabled",
  loopback: "Loopback",
  no_authority_in_http_request: "No Authority In HTTP Request",
  not_http: "Not HTTP",
  not_provided_by_remote: "Not Provided By Remote",
  not_provided_by_service_discovery: "Not Provided By Service Discovery",
  no_tls_from_remote: "No TLS From Remote",
  port_skipped: "Port Skipped",
};

/** Who talks to whom, by connections of clients' proxies: one edge per pair and security. */
export async function edges(request: EdgesRequest, { cluster, source }: StatContext): Promise<Edge[]> {
  const kind = kindOf(request.selector?.resource?.type);
  if (kind === "service" || kind === "all") throw new RequestError(`Resource type is not supported: ${kind}`);
  if (request.selector?.resource?.name) {
    throw new RequestError(
      `Edges cannot be returned for a specific resource name; remove ${request.selector.resource.name} from query`,
    );
  }
  const label = kindLabel(kind);
  const matchers = [equal("direction", "outbound"), equal("peer", "dst"), present(label), present(`dst_${label}`)];
  const by = [...new Set([label, `dst_${label}`, "pod", "server_id", "namespace", "dst_namespace", "no_tls_reason"])];
  const [open, opened] = await Promise.all([
    source.current({ metric: "tcp_open_connections", matchers }, by),
    source.increase({ metric: "tcp_open_total", matchers }, RECENT_MS, by),
  ]);
  const namespace = request.selector?.resource?.namespace ?? "";
  const identities = new Map(
    cluster.pods().map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, clientIdentity(pod)]),
  );
  return dedupe(
    [...open, ...opened]
      .filter(({ value }) => value > 0)
      .filter(({ labels }) => namespace === "" || labels.namespace === namespace || labels.dst_namespace === namespace)
      .map((sample) => toEdge(sample, label, identities)),
  );
}

function toEdge({ labels }: Sample, label: string, identities: ReadonlyMap<string, string>): Edge {
  const reason = labels.no_tls_reason ?? "";
  return {
    src: { namespace: label === "namespace" ? "" : labels.namespace, type: label, name: labels[label] },
    dst: { namespace: label === "namespace" ? "" : labels.dst_namespace, type: label, name: labels[`dst_${label}`] },
    clientId: identities.get(`${labels.namespace}/${labels.pod}`) ?? "",
    serverId: labels.server_id ?? "",
    noIdentityMsg: reason === "" ? "" : (REASONS[reason] ?? reason),
  };
}

/** The name its proxy asks a certificate for, as the pod's own spec says. */
function clientIdentity(pod: Pod): string {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const env = containers.find(({ name }) => name === "linkerd-proxy")?.env ?? [];
  const template = env.find(({ name }) => name === "LINKERD2_PROXY_IDENTITY_LOCAL_NAME")?.value ?? "";
  const known: Record<string, string> = {
    _pod_sa: pod.spec?.serviceAccountName ?? "default",
    _pod_ns: pod.metadata.namespace ?? "",
  };
  return template.replace(/\$\((\w+)\)/g, (whole, name: string) => {
    return known[name] ?? env.find((one) => one.name === name)?.value ?? whole;
  });
}

function dedupe(all: readonly Edge[]): Edge[] {
  const unique = new Map<string, Edge>();
  for (const edge of all) unique.set(JSON.stringify(edge), edge);
  return [...unique.values()].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
}

function sortKey({ src, dst }: Edge): string {
  return [src?.namespace, dst?.namespace, src?.name, dst?.name].join("\u0000");
}
