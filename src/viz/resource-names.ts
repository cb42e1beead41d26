/**
 * The kinds that viz speaks of: canonical name, plural, short names, in the order in which tables of several kinds are
 * printed. `kubectl` users type any of them.
 */
export interface ResourceName {
  readonly canonical: string;
  readonly plural: string;
  readonly short: string;
  readonly others: readonly string[];
}

function named(
  canonical: string,
  short: string,
  plural = `${canonical}s`,
  others: readonly string[] = [],
): ResourceName {
  return { canonical, plural, short, others };
}

export const RESOURCE_NAMES: readonly ResourceName[] = [
  named("authorizationpolicy", "ap", "authorizationpolicies", ["authzpolicy"]),
  named("cronjob", "cj"),
  named("daemonset", "ds"),
  named("deployment", "deploy"),
  named("httproute", "httproute"),
  named("job", "job"),
  named("namespace", "ns"),
  named("pod", "po"),
  named("replicaset", "rs"),
  named("replicationcontroller", "rc"),
  named("server", "srv"),
  named("serverauthorization", "saz", undefined, ["serverauthz", "srvauthz"]),
  named("service", "svc"),
  named("serviceprofile", "sp"),
  named("statefulset", "sts"),
];

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

/** The canonical name behind any way of writing a kind, or undefined. */
export function canonicalKind(word: string): string | undefined {
  const lower = word.toLowerCase();
  if (lower === "all") return "all";
  const found = RESOURCE_NAMES.find(
    ({ canonical, plural, short, others }) =>
      lower === canonical || lower === plural || lower === short || others.includes(lower),
  );
  return found?.canonical;
}

/** The short name that tables put before an object's name. */
export function shortKind(canonical: string): string {
  return RESOURCE_NAMES.find((one) => one.canonical === canonical)?.short ?? canonical;
}

/** Metrics of jobs carry `k8s_job`, because Prometheus keeps `job` for itself. */
export function kindLabel(canonical: string): string {
  return canonical === "job" ? "k8s_job" : canonical;
}
