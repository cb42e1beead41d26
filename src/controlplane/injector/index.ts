/**
 * The proxy injector: asked by the API server about every new pod and Service, it answers with a patch.
 * What the patch holds is decided in `#manifests/inject`; here are the webhook, the configuration files, the view of
 * namespaces and owners, events and counters. It never refuses an object (docs/decisions/0010-webhook-errors.md).
 *
 * Reading order: run.ts (wiring), injector.ts (one request), mesh-config.ts, cluster-view.ts, events.ts, injector-metrics.ts.
 */
export { type InjectorAppOptions, run, startInjector } from "./run.ts";
