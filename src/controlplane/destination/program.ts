import type { KubeClient } from "#kube";
import { type Clock, systemClock } from "#lib/clock";
import type { Log } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import type { Started } from "#lib/program";
import { Readiness } from "#lib/readiness";
import { startAdminServer } from "#net/admin-server";
import { GrpcServer } from "#net/grpc-server";
import { type ClusterInformers, watchCluster } from "./cluster-view.ts";
import type { DestinationOptions } from "./options.ts";
import { DestinationService } from "./service.ts";

export interface DestinationConfig extends DestinationOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  /** Updates that may wait for one slow proxy. */
  readonly streamQueueCapacity: number;
}

export interface DestinationProgram extends Started {
  readonly port: number;
  readonly adminPort: number;
  readonly service: DestinationService;
}

export interface DestinationDeps {
  readonly client: KubeClient;
  readonly log: Log;
  readonly clock?: Clock;
}

const DRAIN_MS = 5_000;
/**
 * The first lists leave garbage behind, and a program that has little to do is slow to notice: with 10,000 pods it
 * holds 95 MB instead of 60. Nothing refers to the lists any more by then.
 */
const COLLECT_AFTER_MS = 1_000;

/** Builds destination, waits until its view of the cluster is complete, and listens: no proxy is told half the truth. */
export async function startDestination(
  config: DestinationConfig,
  { client, log, clock = systemClock }: DestinationDeps,
): Promise<DestinationProgram> {
  const metrics = new MetricsRegistry();
  const readiness = new Readiness(log);
  const informers = watchCluster(client, log);
  for (const [name, informer] of Object.entries(informers)) readiness.add(name, informer.synced);
  const admin = await startAdminServer({ ...config.admin, pending: () => readiness.pending(), metrics });
  const service = new DestinationService(informers, config, { clock, log });
  for (const informer of Object.values(informers)) informer.start();
  await Promise.all(Object.values(informers).map((informer) => informer.synced));
  follow(informers, service);
  const server = new GrpcServer({
    methods: service.methods(),
    maxQueuedMessages: config.streamQueueCapacity,
    log,
    metrics,
    clock,
  });
  const port = await server.listen(config.listen);
  service.start();
  const collect = clock.schedule(COLLECT_AFTER_MS, () => Bun.gc(true));
  exportGauges(metrics, informers, service);
  const stop = async () => {
    collect.cancel();
    service.stop();
    for (const informer of Object.values(informers)) informer.stop();
    await server.drain(DRAIN_MS);
    await admin.close();
  };
  return { port, adminPort: admin.port, service, stop };
}

function follow(informers: ClusterInformers, service: DestinationService): void {
  informers.services.onChange(service.onService);
  informers.slices.onChange(service.onSlice);
  informers.pods.onChange(service.onPod);
  informers.servers.onChange(service.onServer);
  informers.profiles.onChange(service.onServiceProfile);
}

function exportGauges(metrics: MetricsRegistry, informers: ClusterInformers, service: DestinationService): void {
  const subscribers = metrics.gauge("endpoints_subscribers", "Open Get streams.").series();
  const profileSubscribers = metrics.gauge("profile_subscribers", "Open GetProfile streams.").series();
  const topics = metrics.gauge("destination_topics", "Different questions that are being followed.").series();
  const repairs = metrics.gauge("destination_repairs", "Views that the periodic comparison had to correct.").series();
  const sizes = metrics.gauge("cache_size", "Objects kept in memory.");
  const silence = metrics.gauge("watch_silence_seconds", "Since the API server was last heard of.");
  metrics.onRender(() => {
    subscribers.set(service.endpoints.subscriberCount);
    profileSubscribers.set(service.profiles.subscriberCount);
    topics.set(service.endpoints.size + service.profiles.size);
    repairs.set(service.endpoints.repairCount + service.profiles.repairCount);
    for (const [resource, informer] of Object.entries(informers)) {
      sizes.series({ resource }).set(informer.size);
      silence.series({ resource }).set(informer.silenceMs / 1000);
    }
  });
}
