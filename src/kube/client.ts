import { type Clock, systemClock } from "#lib/clock";
import { ApiError, isExpired } from "./api-error.ts";
import { type Answer, type CallOptions, call, callForText } from "./call.ts";
import type { Cluster } from "./cluster.ts";
import { type InClusterOptions, inCluster } from "./in-cluster.ts";
import { fromKubeconfig, type KubeconfigOptions } from "./kubeconfig.ts";
import { readLines } from "./lines.ts";
import { type PodLogOptions, podLogs } from "./pod-logs.ts";
import { type PortForward, type PortForwardOptions, portForward } from "./port-forward.ts";
import type { Creatable, KubeList, KubeObject } from "./types/object.ts";
import { apiVersionOf, type ResourceType, resourcePath } from "./types/resource-type.ts";

export interface ListOptions<T extends KubeObject = KubeObject> {
  /** Without it, all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Objects per page. */
  readonly pageSize?: number | undefined;
  /** What to keep of an object, asked as its page arrives: a long list is never in memory whole. */
  readonly trim?: ((object: T) => T) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Continue after this version. */
  readonly resourceVersion?: string | undefined;
  /** The server ends the watch after this long. */
  readonly timeoutSeconds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK"; readonly object: T }
  | { readonly type: "ERROR"; readonly object: { code?: number; reason?: string; message?: string } };

export interface WriteOptions {
  readonly fieldManager?: string | undefined;
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PatchOptions extends WriteOptions {
  readonly namespace?: string | undefined;
  readonly subresource?: string | undefined;
  /** For `apply`: take fields over from other managers. */
  readonly force?: boolean | undefined;
}

export interface DeleteOptions {
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly gracePeriodSeconds?: number;
  readonly dryRun?: boolean | undefined;
}

export type PatchKind = "json" | "merge" | "strategic" | "apply";

const PATCH_TYPES: Record<PatchKind, string> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

const DEFAULT_PAGE_SIZE = 500; // kubectl's choice
const MAX_WATCH_LINE_BYTES = 16 * 1024 * 1024; // etcd refuses objects above 1.5 MiB; escaping may treble that

/** Speaks to one API server. Every call has a time limit, a refusal is an `ApiError`, a missing object `undefined`. */
export class KubeClient {
  readonly cluster: Cluster;
  readonly #clock: Clock;

  constructor(cluster: Cluster, clock: Clock = systemClock) {
    this.cluster = cluster;
    this.#clock = clock;
  }

  /** As the ServiceAccount of the pod this runs in. */
  static inCluster(options: InClusterOptions = {}): KubeClient {
    return new KubeClient(inCluster(options), options.clock);
  }

  /** As a kubeconfig's user. */
  static fromKubeconfig(options: KubeconfigOptions = {}): KubeClient {
    return new KubeClient(fromKubeconfig(options), options.clock);
  }

  /** The cluster a program works in: the pod's own, or a kubeconfig's when one is named. */
  static forProgram(kubeconfig: string, env: (name: string) => string | undefined): KubeClient {
    return kubeconfig === "" ? KubeClient.inCluster({ env }) : KubeClient.fromKubeconfig({ path: kubeconfig, env });
  }

  /** The object, or undefined when there is none of that name (or the kind itself is not served). */
  async get<T extends KubeObject>(type: ResourceType<T>, name: string, namespace?: string): Promise<T | undefined> {
    return undefinedIfMissing(this.#json<T>(resourcePath(type, { namespace, name }), {}));
  }

  /**
   * All objects that match, page after page. Items carry their apiVersion and kind, which list answers leave out.
   * The pages together are one version of the cluster, which the server forgets after some minutes; a list that takes
   * longer than that is asked for anew in one answer, which cannot expire, as client-go does.
   */
  async list<T extends KubeObject>(type: ResourceType<T>, options: ListOptions<T> = {}): Promise<KubeList<T>> {
    const items: T[] = [];
    let limit: number | undefined = options.pageSize ?? DEFAULT_PAGE_SIZE;
    let next: string | undefined;
    for (;;) {
      try {
        const metadata = await this.#page(type, options, limit, next, items);
        next = metadata.continue;
        if (!next) return { metadata, items };
      } catch (error) {
        if (next === undefined || !isExpired(error)) throw error;
        items.length = 0;
        limit = next = undefined;
      }
    }
  }

  async create<T extends KubeObject>(
    type: ResourceType<T>,
    object: Creatable<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#json(resourcePath(type, { namespace: object.metadata.namespace }), {
      method: "POST",
      body: typed(type, object),
      ...write(options),
    });
  }

  /** Replaces the object; a `resourceVersion` in it must still be current (409 otherwise). */
  async update<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#replace(type, object, undefined, options);
  }

  /** Replaces the object's status only. */
  async updateStatus<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.#replace(type, object, "status", options);
  }

  async patch<T extends KubeObject>(
    type: ResourceType<T>,
    name: string,
    kind: PatchKind,
    patch: unknown,
    options: PatchOptions = {},
  ): Promise<T> {
    const { query, signal } = write(options);
    return this.#json(resourcePath(type, { namespace: options.namespace, name, subresource: options.subresource }), {
      method: "PATCH",
      contentType: PATCH_TYPES[kind],
      body: patch,
      query: { ...query, force: kind === "apply" ? options.force : undefined },
      signal,
    });
  }

  /** Deletes; false when there was nothing to delete. */
  async delete(type: ResourceType, name: string, namespace?: string, options: DeleteOptions = {}): Promise<boolean> {
    const { dryRun, ...rest } = options;
    const answer = await undefinedIfMissing(
      this.raw(resourcePath(type, { namespace, name }), {
        method: "DELETE",
        query: { dryRun: dryRun ? "All" : undefined },
        body: { apiVersion: "v1", kind: "DeleteOptions", ...rest },
      }),
    );
    return answer !== undefined;
  }

  /** Any call; the answer's text. */
  raw(path: string, options: CallOptions = {}): Promise<string> {
    return callForText(this.cluster, this.#clock, path, options);
  }

  /** Any call whose answer is read bit by bit; the caller must `finish`. */
  stream(path: string, options: CallOptions = {}): Promise<Answer> {
    return call(this.cluster, this.#clock, path, options);
  }

  /** Changes as they happen, until the server ends the watch or `signal` fires. `Informer` adds resuming. */
  async *watch<T extends KubeObject>(type: ResourceType<T>, options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>> {
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    const { response, lift, finish } = await this.stream(resourcePath(type, { namespace: options.namespace }), {
      query: {
        ...selectors(options),
        watch: true,
        allowWatchBookmarks: true,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: options.timeoutSeconds,
      },
      signal,
    });
    lift();
    try {
      for await (const line of readLines(response.body, MAX_WATCH_LINE_BYTES)) yield parseEvent(line, type);
    } catch (cause) {
      if (!options.signal?.aborted) throw ApiError.fromFailure(`watch ${type.plural}`, cause);
    } finally {
      stop.abort(); // a consumer that leaves early must not leave the connection behind
      finish();
    }
  }

  /** A container's log lines. */
  logs(pod: string, namespace: string, options: PodLogOptions = {}): AsyncGenerator<string> {
    return podLogs(this.cluster, this.#clock, pod, namespace, options);
  }

  /** Opens a local port whose connections end inside a pod. */
  portForward(options: PortForwardOptions): Promise<PortForward> {
    return portForward(this.cluster, options);
  }

  #replace<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    subresource: string | undefined,
    options: WriteOptions,
  ) {
    const { name, namespace } = object.metadata;
    return this.#json<T>(resourcePath(type, { namespace, name, subresource }), {
      method: "PUT",
      body: typed(type, object),
      ...write(options),
    });
  }

  /** Reads one page into `items`. Nothing of it is referred to when this returns but what `trim` kept. */
  async #page<T extends KubeObject>(
    type: ResourceType<T>,
    options: ListOptions<T>,
    limit: number | undefined,
    next: string | undefined,
    items: T[],
  ): Promise<KubeList<T>["metadata"]> {
    const page: KubeList<T> = await this.#json(resourcePath(type, { namespace: options.namespace }), {
      query: { ...selectors(options), limit, continue: next },
      signal: options.signal,
    });
    for (const item of page.items ?? []) {
      item.apiVersion ??= apiVersionOf(type);
      item.kind ??= type.kind;
      items.push(options.trim ? options.trim(item) : item);
    }
    return page.metadata;
  }

  async #json<T>(path: string, options: CallOptions): Promise<T> {
    const text = await this.raw(path, options);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new ApiError(0, "BadAnswer", `Cannot read the answer to ${path}: wanted JSON`, { cause });
    }
  }
}

function typed(type: ResourceType, object: object): object {
  return { apiVersion: apiVersionOf(type), kind: type.kind, ...object };
}

function selectors({
  labelSelector,
  fieldSelector,
}: Pick<ListOptions, "labelSelector" | "fieldSelector">): Record<string, string | undefined> {
  return { labelSelector, fieldSelector };
}

function write({ fieldManager, dryRun, signal }: WriteOptions) {
  return { query: { fieldManager, dryRun: dryRun ? "All" : undefined }, signal };
}

async function undefinedIfMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

function parseEvent<T extends KubeObject>(line: string, type: ResourceType<T>): WatchEvent<T> {
  const event = JSON.parse(line) as WatchEvent<T>;
  if (event.type !== "ERROR") {
    event.object.apiVersion ??= apiVersionOf(type);
    event.object.kind ??= type.kind;
  }
  return event;
}
