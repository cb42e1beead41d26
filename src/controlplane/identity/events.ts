import { EVENTS, type KubeClient } from "#kube";
import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import { nameSuffix } from "#lib/random";

export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
}

const MAX_PENDING = 50; // events under way; more are dropped: they inform people, nothing depends on them
const MAX_MESSAGE_CHARS = 1_024; // the API's limit

/** Writes events about the issuer and about issued certificates. Never waits and never fails its caller. */
export class IdentityEvents {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #log: Log;
  #pendingCount = 0;

  constructor(client: KubeClient, clock: Clock, log: Log) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  record(subject: EventSubject, type: "Normal" | "Warning", reason: string, message: string): void {
    if (this.#pendingCount >= MAX_PENDING) return;
    this.#pendingCount++;
    const time = new Date(this.#clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
    this.#client
      .create(EVENTS, {
        metadata: { name: `${subject.name}.${nameSuffix(16)}`, namespace: subject.namespace },
        involvedObject: subject,
        type,
        reason,
        message: message.slice(0, MAX_MESSAGE_CHARS),
        source: { component: "linkerd-identity" },
        reportingComponent: "linkerd-identity",
        reportingInstance: "linkerd-identity",
        firstTimestamp: time,
        lastTimestamp: time,
        count: 1,
      })
      .catch((error: Error) => this.#log.warn("Cannot record event", { reason, error: error.message }))
      .finally(() => this.#pendingCount--);
  }
}
