/**
 * The data plane: a proxy beside one workload. It takes the workload's connections in both directions, secures them with
 * mutual TLS between proxies, routes and balances what goes out, authorizes what comes in, and counts everything.
 * It never speaks to Kubernetes; what it knows comes from the control plane's gRPC streams, and what it last knew holds.
 *
 * Reading order: env.ts, app.ts, accept/ (detect, tls-peek), outbound/ (server, discover, then logical/ → concrete/ →
 * endpoint/), inbound/ (server, policies, http, application), relay/ (http-call, opaque), pool/, balance/, authorize/, route/.
 */
export { type BoundAddresses, ProxyApp, type ProxyOptions } from "./app.ts";
export { type ProxyConfig, readConfig } from "./env.ts";
