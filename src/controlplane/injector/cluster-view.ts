import { Informer, JOBS, type KubeClient, NAMESPACES, type Namespace, REPLICA_SETS } from "#kube";
import type { Log } from "#lib/log";
import type { FindOwners } from "#manifests/inject";

/** What the injector sees of the cluster: namespaces from memory, owners by asking. */
export class ClusterView {
  readonly #client: KubeClient;
  readonly #log: Log;
  readonly #namespaces: Informer<Namespace>;

  constructor(client: KubeClient, log: Log) {
    this.#client = client;
    this.#log = log;
    this.#namespaces = new Informer<Namespace>({ client, type: NAMESPACES, trim: onlyMetadata, log });
  }

  /** Resolves when namespaces are known. */
  get synced(): Promise<void> {
    return this.#namespaces.synced;
  }

  start(): void {
    this.#namespaces.start();
  }

  stop(): void {
    this.#namespaces.stop();
  }

  /** Throws when there is no such namespace: a request about one that is gone cannot be judged. */
  readonly namespaceAnnotations = async (name: string): Promise<Readonly<Record<string, string>>> => {
    const known = this.#namespaces.get(name) ?? (await this.#client.get(NAMESPACES, name)); // one made just now
    if (!known) throw new Error(`Cannot judge objects of namespace "${name}": there is no such namespace`);
    return known.metadata.annotations ?? {};
  };

  /** Asks each time: a ReplicaSet is often seconds old when its first pod is made. */
  readonly findOwners: FindOwners = async (kind, namespace, name) => {
    try {
      const found =
        kind === "Job"
          ? await this.#client.get(JOBS, name, namespace)
          : await this.#client.get(REPLICA_SETS, name, namespace);
      return found?.metadata.ownerReferences;
    } catch (error) {
      this.#log.warn("Cannot find owner, taking the nearest", {
        kind,
        namespace,
        name,
        error: (error as Error).message,
      });
      return undefined;
    }
  };
}

function onlyMetadata({ metadata: { name, annotations, resourceVersion, uid } }: Namespace): Namespace {
  return { metadata: { name, annotations, resourceVersion, uid } };
}
