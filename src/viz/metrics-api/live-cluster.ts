import { Informer, type KubeClient } from "#kube";
import {
  CRON_JOBS,
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  type KubeObject,
  NAMESPACES,
  PODS,
  type Pod,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  type ResourceType,
  SERVICES,
  STATEFUL_SETS,
} from "#kube/types";
import type { Log } from "#lib/log";
import type { Cluster } from "./cluster.ts";

const TYPES: Readonly<Record<string, ResourceType>> = {
  cronjob: CRON_JOBS,
  daemonset: DAEMON_SETS,
  deployment: DEPLOYMENTS,
  job: JOBS,
  namespace: NAMESPACES,
  pod: PODS,
  replicaset: REPLICA_SETS,
  replicationcontroller: REPLICATION_CONTROLLERS,
  service: SERVICES,
  statefulset: STATEFUL_SETS,
};

/** The cluster as watches keep it up to date. */
export class LiveCluster implements Cluster {
  readonly #informers: ReadonlyMap<string, Informer<KubeObject>>;

  constructor(client: KubeClient, log: Log) {
    this.#informers = new Map(
      Object.entries(TYPES).map(([kind, type]) => [kind, new Informer<KubeObject>({ client, type, log })]),
    );
  }

  start(): void {
    for (const informer of this.#informers.values()) informer.start();
  }

  stop(): void {
    for (const informer of this.#informers.values()) informer.stop();
  }

  /** Kinds that were not listed yet. */
  pending(): string[] {
    return [...this.#informers].filter(([, informer]) => !informer.isSynced).map(([kind]) => `${kind}s`);
  }

  pods(): readonly Pod[] {
    return this.objects("pod") as readonly Pod[];
  }

  replicaSets(): readonly KubeObject[] {
    return this.objects("replicaset");
  }

  jobs(): readonly KubeObject[] {
    return this.objects("job");
  }

  objects(kind: string): readonly KubeObject[] {
    return [...(this.#informers.get(kind)?.list() ?? [])];
  }
}
