import { EVENTS, type KubeClient } from "#kube";
import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Owner } from "#manifests/inject";

/** Something to be told about a workload, in its own namespace. */
export interface Notice {
  readonly type: "Normal" | "Warning";
  readonly reason: "Injected" | "InjectionSkipped" | "AnnotationIgnored";
  readonly message: string;
}

export type RecordEvent = (owner: Owner, namespace: string, notice: Notice) => void;

const KINDS: Readonly<Record<string, string>> = {
  deployment: "Deployment",
  replicaset: "ReplicaSet",
  replicationcontroller: "ReplicationController",
  statefulset: "StatefulSet",
  daemonset: "DaemonSet",
  job: "Job",
  cronjob: "CronJob",
};

const MAX_PENDING = 32; // calls under way; further events are dropped, pods are not held up for them
const MAX_REMEMBERED = 1_000; // notices
const REPEAT_AFTER_MS = 10 * 60_000; // a Deployment's ten pods are one piece of news
const MAX_MESSAGE_CHARS = 1_024; // the API's limit

/** Writes events on the owners of pods. Never waits, never throws; the same news about the same owner is told once in ten minutes. */
export class EventRecorder {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #toldAtMs = new Map<string, number>();
  #pendingCount = 0;

  constructor(client: KubeClient, clock: Clock, log: Log) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  readonly record: RecordEvent = (owner, namespace, notice) => {
    const kind = KINDS[owner.kind];
    if (!kind || !owner.uid || this.#isOldNews(`${owner.uid} ${notice.reason} ${notice.message}`)) return;
    if (this.#pendingCount >= MAX_PENDING) return;
    this.#pendingCount++;
    this.#write(owner, kind, namespace, notice)
      .catch((error: Error) => this.#log.warn("Cannot record event", { reason: notice.reason, error: error.message }))
      .finally(() => this.#pendingCount--);
  };

  async #write(owner: Owner, kind: string, namespace: string, notice: Notice): Promise<void> {
    const nowMs = this.#clock.wallMs();
    const time = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
    const { name, apiVersion, uid } = owner;
    await this.#client.create(EVENTS, {
      metadata: { name: `${name}.${nowMs.toString(16)}${this.#toldAtMs.size.toString(16)}`, namespace },
      involvedObject: { kind, name, namespace, apiVersion, uid },
      reason: notice.reason,
      message: notice.message.slice(0, MAX_MESSAGE_CHARS),
      type: notice.type,
      source: { component: "linkerd-proxy-injector" },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    });
  }

  #isOldNews(key: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const toldAtMs = this.#toldAtMs.get(key);
    if (toldAtMs !== undefined && nowMs - toldAtMs < REPEAT_AFTER_MS) return true;
    this.#toldAtMs.delete(key); // so that the map stays in the order of telling
    this.#toldAtMs.set(key, nowMs);
    const oldest = this.#toldAtMs.keys().next().value;
    if (this.#toldAtMs.size > MAX_REMEMBERED && oldest !== undefined) this.#toldAtMs.delete(oldest);
    return false;
  }
}
