/**
 * The data plane: a proxy beside one workload. It takes the workload's connections in both directions, secures them with
 * mutual TLS between proxies, routes and balances what goes out, authorizes what comes in, and counts everything.
 * It never speaks to Kubernetes; what it knows comes from the control plane's gRPC streams, and what it last knew holds.
 *
 * Read: env.ts, app.ts, accept/ (detect.ts, tls-peek.ts), outbound/ (server, discover, http, http-concrete, connector),
 * inbound/ (server, policies, http, forward), relay/ (http-call, opaque), pool/, balance/, authorize/, route/.
 */
export { type BoundAddresses, ProxyApp, type ProxyOptions } from "./app.ts";
export { type ProxyConfig, readConfig } from "./env.ts";
