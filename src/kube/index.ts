/**
 * Kubernetes as a client sees it: one API server, its objects, and memory of them that stays true.
 * Knows nothing of the mesh; starts no processes; reads no environment (callers hand in `env`).
 *
 * Reading order: cluster.ts (where and as whom) ← in-cluster.ts, kubeconfig.ts · call.ts (one HTTP call) · client.ts (verbs)
 * · store.ts and informer.ts (list and watch) · lease-elector.ts · pod-logs.ts, port-forward.ts.
 * Every call has a time limit; a refusal is an `ApiError`.
 */
export { ApiError } from "./api-error.ts";
export type { Answer, CallOptions } from "./call.ts";
export * from "./client.ts";
export type { Cluster, Credentials } from "./cluster.ts";
export type { RunPlugin } from "./exec-credential.ts";
export { type InClusterOptions, inCluster } from "./in-cluster.ts";
export { type ChangeHandler, Informer, type InformerOptions } from "./informer.ts";
export { fromKubeconfig, type KubeconfigOptions, kubeconfigContexts } from "./kubeconfig.ts";
export { LeaseElector, type LeaseElectorOptions } from "./lease-elector.ts";
export type { PodLogOptions } from "./pod-logs.ts";
export type { PortForward, PortForwardOptions } from "./port-forward.ts";
export { type Change, type IndexFunction, ObjectStore } from "./store.ts";
export * from "./types/index.ts";
