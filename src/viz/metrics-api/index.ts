/**
 * The metrics API as a program of its own; the command line is not loaded with it. It reads metrics and Kubernetes and
 * changes neither; it keeps minutes, not history.
 *
 * Reading order: program.ts (put together) · api.ts (the methods) · request.ts, stat-summary.ts, edges.ts (answers) ·
 * source.ts (where numbers come from) ← scraper.ts, store.ts, target.ts, series.ts, text-pool.ts, exposition.ts (built in),
 * prometheus.ts (yours) · cluster.ts, live-cluster.ts, pods.ts, kind-label.ts (whose numbers they are).
 */
export { runMetricsApi } from "./program.ts";
