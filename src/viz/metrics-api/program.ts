import { KubeClient } from "#kube";
import { systemClock } from "#lib/clock";
import { parseDuration } from "#lib/duration";
import { createLog, LOG_LEVELS, type LogLevel } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import { FlagError, parseFlags, parseListenAddress } from "#lib/program-flags";
import { startAdminServer } from "#net/admin-server";
import { GrpcServer } from "#net/grpc-server";
import { vizApi } from "./api.ts";
import { LiveCluster } from "./live-cluster.ts";
import { PrometheusSource } from "./prometheus.ts";
import { Scraper } from "./scraper.ts";
import type { MetricsSource } from "./source.ts";
import { MemoryStore } from "./store.ts";

const RETENTION_MS = 11 * 60_000; // the longest window that people ask the built-in store for is ten minutes
const MAX_SERIES = 200_000; // about 100 MB; beyond that a Prometheus is due
const QUERY_TIMEOUT_MS = 10_000;
const DRAIN_MS = 5_000;

const FLAGS = {
  addr: ":8085",
  "metrics-addr": ":9995",
  "prometheus-url": "",
  "scrape-interval": "10s",
  "controller-namespace": "linkerd",
  "cluster-domain": "cluster.local",
  kubeconfig: "",
  "log-level": "info",
  "log-format": "plain",
} as const;

/** Runs metrics-api until `stop` resolves; the exit code. */
export async function runMetricsApi(
  args: readonly string[],
  stop: Promise<void>,
  write: (line: string) => void,
): Promise<number> {
  let flags: ReturnType<typeof parseFlags<typeof FLAGS>>;
  let intervalMs: number;
  try {
    flags = parseFlags(args, FLAGS);
    intervalMs = durationOf("scrape-interval", flags["scrape-interval"]);
    if (!LOG_LEVELS.includes(flags["log-level"] as LogLevel))
      throw new FlagError(`Cannot log at "${flags["log-level"]}": wanted ${LOG_LEVELS.join(", ")}`);
  } catch (thrown) {
    write(`${(thrown as Error).message}\n`);
    return 64;
  }
  const log = createLog({
    level: flags["log-level"] as LogLevel,
    format: flags["log-format"] === "json" ? "json" : "plain",
    write,
    wallMs: systemClock.wallMs,
  });
  const client =
    flags.kubeconfig === "" ? KubeClient.inCluster() : KubeClient.fromKubeconfig({ path: flags.kubeconfig });
  const cluster = new LiveCluster(client, log);
  const controlPlaneNs = flags["controller-namespace"];
  const registry = new MetricsRegistry();
  const {
    source,
    start,
    stop: stopSource,
  } = sourceFor(flags["prometheus-url"], () => {
    const store = new MemoryStore({
      wallMs: systemClock.wallMs,
      retentionMs: RETENTION_MS,
      staleAfterMs: 3 * intervalMs,
      maxSeries: MAX_SERIES,
    });
    const series = registry.gauge("viz_store_series", "Time series in the built-in store.").series();
    const dropped = registry
      .gauge("viz_store_dropped_samples", "Samples turned away because the store was full.")
      .series();
    registry.onRender(() => {
      series.set(store.seriesCount);
      dropped.set(store.droppedCount);
    });
    const scraper = new Scraper({
      store,
      pods: () => cluster.pods(),
      controlPlaneNs,
      intervalMs,
      clock: systemClock,
      log,
    });
    return { store, scraper };
  });

  cluster.start();
  start();
  const server = new GrpcServer({ methods: vizApi({ cluster, source, controlPlaneNs }, systemClock.wallMs), log });
  await server.listen(parseListenAddress(flags.addr));
  const admin = await startAdminServer({
    ...parseListenAddress(flags["metrics-addr"]),
    pending: () => cluster.pending(),
    metrics: registry,
  });
  log.info("metrics-api is serving", { addr: flags.addr, store: flags["prometheus-url"] || "built-in" });

  await stop;
  stopSource();
  cluster.stop();
  await server.drain(DRAIN_MS);
  await admin.close();
  return 0;
}

function sourceFor(
  prometheusUrl: string,
  builtIn: () => { store: MemoryStore; scraper: Scraper },
): { source: MetricsSource; start: () => void; stop: () => void } {
  if (prometheusUrl !== "") {
    return {
      source: new PrometheusSource({ url: prometheusUrl, timeoutMs: QUERY_TIMEOUT_MS }),
      start: () => {},
      stop: () => {},
    };
  }
  const { store, scraper } = builtIn();
  return { source: store, start: () => scraper.start(), stop: () => scraper.stop() };
}

function durationOf(name: string, text: string): number {
  const { value, error } = parseDuration(text);
  if (value === undefined || value <= 0) throw new FlagError(`-${name}: ${error ?? `"${text}" must be longer than 0`}`);
  return value;
}
