import { Backoff } from "#lib/backoff";
import { type Clock, systemClock, type Timer } from "#lib/clock";
import { type Log, silentLog } from "#lib/log";
import { type Random, systemRandom } from "#lib/random";
import { ApiError, isExpired } from "./api-error.ts";
import type { KubeClient } from "./client.ts";
import { type Change, type IndexFunction, ObjectStore } from "./store.ts";
import type { KubeObject } from "./types/object.ts";
import type { ResourceType } from "./types/resource-type.ts";

export interface InformerOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly type: ResourceType<T>;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Further look-ups for `byIndex`. */
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>>;
  /** Keeps of an object what the program needs; by default all but `managedFields`. */
  readonly trim?: (object: T) => T;
  /** True when the kind may not be installed: then its absence counts as an empty list. */
  readonly optional?: boolean;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly random?: Random;
}

export type ChangeHandler<T extends KubeObject> = (change: Change<T>) => void;

const WATCH_SECONDS = 290; // below the five minutes after which load balancers like to cut
const WATCH_GRACE_MS = 10_000; // a server that does not end the watch by then is gone
const ABSENT_KIND_MS = 30_000; // how often to ask again for a kind that is not installed

/**
 * Objects of one type, kept up to date: list, then watch, for ever.
 *
 *   list ──► watching ──► (ended in peace: watch on from the last version)
 *     ▲         │
 *     └─ 410 ───┴─ other failure: wait 0.25…30 s, watch on
 *
 * After a relist only real differences are reported. Handlers run one after another and must not throw for long work.
 */
export class Informer<T extends KubeObject> {
  /** Resolves when the first list is in the store. */
  readonly synced: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #store: ObjectStore<T>;
  readonly #handlers = new Set<ChangeHandler<T>>();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #markSynced: () => void = () => {};
  #isSynced = false;
  #isStarted = false;
  #resourceVersion: string | undefined;
  #heardAtMs: number;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#store = new ObjectStore(options.indexes);
    this.#clock = options.clock ?? systemClock;
    this.#log = (options.log ?? silentLog).with({ resource: options.type.plural });
    this.#backoff = new Backoff({ minMs: 250, maxMs: 30_000, jitter: 0.5 }, options.random ?? systemRandom);
    this.#heardAtMs = this.#clock.monotonicMs();
    this.synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get size(): number {
    return this.#store.size;
  }

  /** How long ago the API server was last heard of, in milliseconds. */
  get silenceMs(): number {
    return this.#clock.monotonicMs() - this.#heardAtMs;
  }

  get(name: string, namespace?: string): T | undefined {
    return this.#store.get(name, namespace);
  }

  list(namespace?: string): T[] {
    return this.#store.list(namespace);
  }

  byIndex(index: string, key: string): T[] {
    return this.#store.byIndex(index, key);
  }

  /** Calls `handler` for every object there is now (as added) and for every change from now on. Returns the way out. */
  onChange(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) handler({ type: "added", object });
    return () => this.#handlers.delete(handler);
  }

  /** Begins, once. */
  start(): this {
    if (!this.#isStarted) {
      this.#isStarted = true;
      void this.#run();
    }
    return this;
  }

  /** Ends the watch; the store keeps what it has. */
  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#relist();
        await this.#watch();
        this.#backoff.reset();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        await this.#recover(error);
      }
    }
  }

  async #relist(): Promise<void> {
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    const signal = this.#stop.signal;
    const trim = (object: T) => this.#trim(object);
    const list = await client.list(type, { namespace, labelSelector, fieldSelector, trim, signal });
    const changes = this.#store.replace(list.items);
    this.#resourceVersion = list.metadata.resourceVersion;
    this.#heardAtMs = this.#clock.monotonicMs();
    this.#backoff.reset();
    for (const change of changes) this.#tell(change);
    this.#becomeSynced();
  }

  async #watch(): Promise<void> {
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    const stop = new AbortController();
    const timer = this.#clock.schedule(WATCH_SECONDS * 1000 + WATCH_GRACE_MS, () => stop.abort());
    const startedAtMs = this.#clock.monotonicMs();
    let eventCount = 0;
    try {
      const events = client.watch(type, {
        namespace,
        labelSelector,
        fieldSelector,
        resourceVersion: this.#resourceVersion,
        timeoutSeconds: WATCH_SECONDS,
        signal: AbortSignal.any([this.#stop.signal, stop.signal]),
      });
      for await (const event of events) {
        eventCount++;
        this.#heardAtMs = this.#clock.monotonicMs();
        if (event.type === "ERROR") throw this.#watchError(event.object);
        this.#apply(event.type, event.object);
      }
    } finally {
      timer.cancel();
    }
    const isInstant = eventCount === 0 && this.#clock.monotonicMs() - startedAtMs < 1_000;
    if (isInstant && !this.#stop.signal.aborted) throw new Error("the server ended the watch at once");
  }

  #apply(type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", raw: T): void {
    this.#resourceVersion = raw.metadata.resourceVersion ?? this.#resourceVersion;
    this.#backoff.reset();
    if (type === "BOOKMARK") return;
    const object = this.#trim(raw);
    const change = type === "DELETED" ? this.#store.remove(object) : this.#store.set(object);
    if (change) this.#tell(change);
  }

  #watchError({
    code = 0,
    reason = "Unknown",
    message = "",
  }: {
    code?: number;
    reason?: string;
    message?: string;
  }): ApiError {
    return new ApiError(code, reason, `Cannot watch ${this.#options.type.plural}: ${message || reason}`);
  }

  async #recover(error: unknown): Promise<void> {
    if (isExpired(error)) {
      this.#resourceVersion = undefined; // too old to resume: list again
    } else if (error instanceof ApiError && error.status === 404 && this.#options.optional) {
      return this.#treatAsEmpty();
    }
    const afterMs = this.#backoff.nextMs();
    this.#log.warn("Watch interrupted, will try again", {
      error: (error as Error).message,
      afterMs: Math.round(afterMs),
    });
    await this.#sleep(afterMs);
  }

  async #treatAsEmpty(): Promise<void> {
    this.#resourceVersion = undefined;
    for (const change of this.#store.replace([])) this.#tell(change);
    this.#becomeSynced();
    await this.#sleep(ABSENT_KIND_MS);
  }

  #becomeSynced(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#log.debug("Synced", { count: this.#store.size });
    this.#markSynced();
  }

  #tell(change: Change<T>): void {
    for (const handler of this.#handlers) {
      try {
        handler(change);
      } catch (error) {
        this.#log.error("A change handler failed", { error: (error as Error).message });
      }
    }
  }

  #trim(object: T): T {
    if (this.#options.trim) return this.#options.trim(object);
    delete object.metadata.managedFields;
    return object;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const signal = this.#stop.signal;
      const wake = () => {
        timer.cancel();
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer: Timer = this.#clock.schedule(ms, wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
