/**
 * The policy controller: what each port of a workload speaks and who may call it, and how a client's traffic is routed.
 *
 * Three layers, each knowing only those before it: core/ (policy as proxies are told it, no Kubernetes) ← index/ (objects
 * in, messages out, pure) ← serve/ (watches, gRPC streams, the validating
 * webhook, whose rules are in validate/).
 * Reading order: serve/run.ts, serve/topics.ts, index/inbound-server.ts, index/outbound-policy.ts, core/.
 * Whether a route is accepted is computed, not read back from its status; the leader among replicas writes the status
 * for people and tools (index/status.ts, serve/status-writer.ts).
 */
export { type PolicyApp, type PolicyAppOptions, run, startPolicy } from "./serve/run.ts";
