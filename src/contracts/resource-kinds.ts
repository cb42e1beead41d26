/**
 * The kinds that commands and the metrics API take: by singular name, the plural and the short names people type, in the
 * order in which tables of several kinds are printed.
 */
export const RESOURCE_KINDS: Readonly<Record<string, { readonly plural: string; readonly short: readonly string[] }>> =
  {
    authorizationpolicy: { plural: "authorizationpolicies", short: ["ap", "authzpolicy"] },
    cronjob: { plural: "cronjobs", short: ["cj"] },
    daemonset: { plural: "daemonsets", short: ["ds"] },
    deployment: { plural: "deployments", short: ["deploy"] },
    httproute: { plural: "httproutes", short: [] },
    job: { plural: "jobs", short: [] },
    link: { plural: "links", short: ["ln"] },
    meshtlsauthentication: { plural: "meshtlsauthentications", short: ["meshtlsauthn"] },
    namespace: { plural: "namespaces", short: ["ns"] },
    networkauthentication: { plural: "networkauthentications", short: ["netauthn", "networkauthn"] },
    pod: { plural: "pods", short: ["po"] },
    replicaset: { plural: "replicasets", short: ["rs"] },
    replicationcontroller: { plural: "replicationcontrollers", short: ["rc"] },
    server: { plural: "servers", short: ["srv"] },
    serverauthorization: { plural: "serverauthorizations", short: ["saz", "serverauthz", "srvauthz"] },
    service: { plural: "services", short: ["svc"] },
    serviceprofile: { plural: "serviceprofiles", short: ["sp"] },
    statefulset: { plural: "statefulsets", short: ["sts"] },
  };

/** Kinds that `all` stands for. */
export const ALL_KINDS: readonly string[] = [
  "daemonset",
  "statefulset",
  "job",
  "deployment",
  "replicationcontroller",
  "pod",
  "service",
  "cronjob",
  "replicaset",
];

/** The singular name behind any way of writing a kind (`all` included), or undefined. */
export function canonicalKind(typed: string): string | undefined {
  const wanted = typed.toLowerCase();
  if (wanted === "all") return "all";
  const found = Object.entries(RESOURCE_KINDS).find(
    ([kind, { plural, short }]) => wanted === kind || wanted === plural || short.includes(wanted),
  );
  return found?.[0];
}

/** What tables put before an object's name. */
export function shortKind(kind: string): string {
  return RESOURCE_KINDS[kind]?.short[0] ?? kind;
}
