/** The metric label of a kind. Jobs carry `k8s_job`, because Prometheus keeps `job` for itself. */
export function kindLabel(kind: string): string {
  return kind === "job" ? "k8s_job" : kind;
}
