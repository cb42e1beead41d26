/**
 * The viz extension: golden metrics and edges of what the mesh carries. It reads proxies' metrics and Kubernetes, as a
 * third party would; it holds no part of the mesh.
 *
 * Reading order: metrics-api/ (source.ts, store.ts, scraper.ts: where numbers come from; stat-summary.ts, edges.ts: what
 * is made of them; api.ts, program.ts: how they are served), manifests.ts, cli/, extension.ts.
 */
export { viz } from "./extension.ts";
