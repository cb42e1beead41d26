import type { KubeObject } from "../store/object.ts";

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface ListFilter {
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WatchChange {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubeObject;
}

export interface DeleteHow {
  /** Seconds; 0 removes a pod at once (what the node agent says when the processes are gone). */
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly uid?: string;
}

export interface PatchHow {
  readonly type: PatchType;
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly force?: boolean;
}

/**
 * The API as controllers and the node agent use it, in this process: the same defaults, validation, admission and
 * status rules as over HTTPS, as the user named at `ApiServer.client(user)`. Resources are named as in RBAC:
 * `pods`, `deployments.apps`. Reads answer from memory at once and must not be changed: clone first. Writes wait for
 * admission webhooks; refusals are `StatusError`.
 */
export interface ApiClient {
  get(resource: string, namespace: string | undefined, name: string): KubeObject | undefined;
  list(resource: string, filter?: ListFilter): KubeObject[];
  create(resource: string, object: KubeObject): Promise<KubeObject>;
  update(resource: string, object: KubeObject): Promise<KubeObject>;
  updateStatus(resource: string, object: KubeObject): Promise<KubeObject>;
  patch(
    resource: string,
    namespace: string | undefined,
    name: string,
    patch: unknown,
    how: PatchHow,
  ): Promise<KubeObject>;
  /** The object as it is while it is terminating; undefined when it is gone at once. NotFound when it was not there. */
  delete(
    resource: string,
    namespace: string | undefined,
    name: string,
    how?: DeleteHow,
  ): Promise<KubeObject | undefined>;
  /** Everything there is as ADDED, then every change, in order, synchronously inside the write. Returns the way to stop. */
  watch(resource: string, filter: ListFilter, onChange: (change: WatchChange) => void): () => void;
}
