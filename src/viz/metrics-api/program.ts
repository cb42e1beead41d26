import { KubeClient } from "#kube";
import { systemClock } from "#lib/clock";
import type { Log } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import { COMMON_FLAGS, type Env, runProgram, type Started } from "#lib/program";
import { addressFlag, durationFlag, type FlagValues, textFlag } from "#lib/program-flags";
import { startAdminServer } from "#net/admin-server";
import { GrpcServer } from "#net/grpc-server";
import { vizApi } from "./api.ts";
import { LiveCluster } from "./live-cluster.ts";
import { PrometheusSource } from "./prometheus.ts";
import { Scraper } from "./scraper.ts";
import type { MetricsSource } from "./source.ts";
import { MemoryStore } from "./store.ts";

const RETENTION_MS = 11 * 60_000; // the longest window that people ask the built-in store for is ten minutes
const QUERY_TIMEOUT_MS = 10_000;
const DRAIN_MS = 5_000;

const FLAGS = {
  ...COMMON_FLAGS,
  addr: addressFlag(":8085"),
  "metrics-addr": addressFlag(":9995"),
  "prometheus-url": textFlag(""),
  "scrape-interval": { ...durationFlag(10_000), wanted: "a duration above 0, like 10s", parse: positiveDuration },
  "controller-namespace": textFlag("linkerd"),
  "cluster-domain": textFlag("cluster.local"),
};

type Values = FlagValues<typeof FLAGS>;

/** Runs metrics-api until SIGTERM or SIGINT; the exit code. */
export function runMetricsApi(args: readonly string[], env: Env): Promise<number> {
  return runProgram("metrics-api", args, FLAGS, (flags, log) =>
    startMetricsApi(flags, KubeClient.forProgram(flags.kubeconfig, env), log),
  );
}

async function startMetricsApi(flags: Values, client: KubeClient, log: Log): Promise<Started> {
  const cluster = new LiveCluster(client, log);
  const registry = new MetricsRegistry();
  const metrics = metricsSource(flags, cluster, registry, log);
  const controlPlaneNs = flags["controller-namespace"];
  cluster.start();
  metrics.start();
  const methods = vizApi({ cluster, source: metrics.source, controlPlaneNs }, systemClock.wallMs);
  const server = new GrpcServer({ methods, log });
  await server.listen(flags.addr);
  const pending = () => cluster.pending();
  const admin = await startAdminServer({ ...flags["metrics-addr"], pending, metrics: registry });
  log.info("Metrics are served", { port: flags.addr.port, store: flags["prometheus-url"] || "built-in" });
  return {
    async stop() {
      metrics.stop();
      cluster.stop();
      await server.drain(DRAIN_MS);
      await admin.close();
    },
  };
}

interface RunningSource {
  readonly source: MetricsSource;
  start(): void;
  stop(): void;
}

/** A Prometheus when one is named; else the built-in store and its scraper. */
function metricsSource(flags: Values, cluster: LiveCluster, registry: MetricsRegistry, log: Log): RunningSource {
  const url = flags["prometheus-url"];
  if (url !== "") {
    return { source: new PrometheusSource({ url, timeoutMs: QUERY_TIMEOUT_MS }), start: () => {}, stop: () => {} };
  }
  const intervalMs = flags["scrape-interval"];
  const store = new MemoryStore({
    wallMs: systemClock.wallMs,
    retentionMs: RETENTION_MS,
    staleAfterMs: 3 * intervalMs,
  });
  reportSize(store, registry);
  const controlPlaneNs = flags["controller-namespace"];
  const scraper = new Scraper({
    store,
    pods: () => cluster.pods(),
    controlPlaneNs,
    intervalMs,
    clock: systemClock,
    log,
  });
  return { source: store, start: () => scraper.start(), stop: () => scraper.stop() };
}

function reportSize(store: MemoryStore, registry: MetricsRegistry): void {
  const series = registry.gauge("viz_store_series", "Time series in the built-in store.").series();
  const dropped = registry
    .gauge("viz_store_dropped_samples", "Samples turned away because the store was full.")
    .series();
  const readings = registry
    .gauge("viz_store_dropped_readings", "Readings of proxies turned away because the store has too many of them.")
    .series();
  registry.onRender(() => {
    series.set(store.seriesCount);
    dropped.set(store.droppedCount);
    readings.set(store.droppedReadingCount);
  });
}

function positiveDuration(text: string): number | undefined {
  const durationMs = durationFlag(0).parse(text);
  return durationMs !== undefined && durationMs > 0 ? durationMs : undefined;
}
