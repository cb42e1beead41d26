import type { Clock } from "#lib/clock";
import type { ApiClient } from "../api/in-process.ts";
import type { KubeObject } from "../store/object.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  /** Names the part that is meant, as `spec.containers{web}`. */
  readonly fieldPath?: string;
}

const MAX_REMEMBERED = 2_000; // notes whose repetition is counted in one Event
const MAX_WAITING = 500; // writes that wait their turn; more are dropped, events are hints

/** Writes Events about objects; the same note again raises the count of the first. */
export class EventRecorder {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #component: string;
  readonly #seen = new Map<string, { name: string; count: number }>();
  #waiting = 0;
  #number = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(client: ApiClient, clock: Clock, component: string) {
    this.#client = client;
    this.#clock = clock;
    this.#component = component;
  }

  note(object: KubeObject, kind: string, note: EventNote): void {
    if (this.#waiting >= MAX_WAITING) return;
    this.#waiting++;
    this.#last = this.#last
      .then(() => this.#write(object, kind, note))
      .catch(() => {}) // the namespace may be going away: an event is not worth an error
      .finally(() => void this.#waiting--);
  }

  async #write(object: KubeObject, kind: string, note: EventNote): Promise<void> {
    const key = `${object.metadata.uid} ${note.reason} ${note.fieldPath ?? ""} ${note.message}`;
    const namespace = object.metadata.namespace ?? "default";
    const now = new Date(this.#clock.wallMs()).toISOString().replace(/\.\d+Z/, "Z");
    const seen = this.#seen.get(key);
    if (seen && this.#client.get("events", namespace, seen.name)) {
      seen.count++;
      const change = { count: seen.count, lastTimestamp: now };
      await this.#client.patch("events", namespace, seen.name, change, { type: "merge" });
      return;
    }
    const name = `${object.metadata.name}.${(Math.floor(this.#clock.wallMs()) * 4096 + (this.#number++ % 4096)).toString(16)}`;
    this.#remember(key, name);
    await this.#client.create("events", this.#event(object, kind, note, { name, namespace, now }));
  }

  #event(
    object: KubeObject,
    kind: string,
    note: EventNote,
    at: { name: string; namespace: string; now: string },
  ): KubeObject {
    return {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: at.name, namespace: at.namespace },
      involvedObject: {
        kind,
        apiVersion: object.apiVersion ?? "v1",
        namespace: object.metadata.namespace,
        name: object.metadata.name,
        uid: object.metadata.uid,
        ...(note.fieldPath ? { fieldPath: note.fieldPath } : {}),
      },
      reason: note.reason,
      message: note.message,
      type: note.type,
      source: { component: this.#component },
      reportingComponent: this.#component,
      reportingInstance: "",
      firstTimestamp: at.now,
      lastTimestamp: at.now,
      count: 1,
    };
  }

  #remember(key: string, name: string): void {
    if (this.#seen.size >= MAX_REMEMBERED) this.#seen.delete(this.#seen.keys().next().value!);
    this.#seen.set(key, { name, count: 1 });
  }
}
