import type { Pod } from "#kube/types";
import { cloneObject, type KubeObject, sameJson } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import type { NodeContext } from "./node-context.ts";

const RETRY_MS = 1_000;

/** What a publisher needs of its pod. */
export interface PublisherOwner {
  readonly pod: Pod;
  /** The object is gone: nothing is written any more. */
  readonly isForgotten: boolean;
  /** Nothing runs any more. */
  readonly isClosing: boolean;
  /** Resolves when nothing of the pod is left on the node. */
  readonly gone: Promise<void>;
  /** The status as it is now, over what the API has. */
  statusFrom(current: Pod): KubeObject["status"];
  /** `tick` is called then, which publishes again. */
  wakeIn(afterMs: number): void;
}

/** Writes one pod's status to the API when it changed, and removes the pod when it has ended and was deleted. */
export class PodPublisher {
  readonly #owner: PublisherOwner;
  readonly #context: NodeContext;
  #isPublishing = false;
  #isUnpublished = false;
  #lastStatus: unknown;

  constructor(owner: PublisherOwner, context: NodeContext) {
    this.#owner = owner;
    this.#context = context;
  }

  /** Writes the status if it changed; one write at a time, the last state wins. */
  publish(): void {
    this.#isUnpublished = true;
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    queueMicrotask(() => void this.#publishLoop());
  }

  async #publishLoop(): Promise<void> {
    try {
      while (this.#isUnpublished && !this.#owner.isForgotten) {
        this.#isUnpublished = false;
        await this.#publishOnce();
      }
    } finally {
      this.#isPublishing = false;
    }
  }

  async #publishOnce(): Promise<void> {
    const { client, log } = this.#context;
    const { namespace, name, uid } = this.#owner.pod.metadata;
    const current = client.get("pods", namespace, name);
    if (!current || current.metadata.uid !== uid) return;
    const status = this.#owner.statusFrom(current as unknown as Pod);
    try {
      if (!sameJson(status, this.#lastStatus)) {
        const next = { ...cloneObject(current), status };
        delete next.metadata.resourceVersion;
        await client.updateStatus("pods", next);
        this.#lastStatus = cloneObject(status);
      }
      if (this.#owner.isClosing && this.#owner.pod.metadata.deletionTimestamp) await this.#remove();
    } catch (cause) {
      if (cause instanceof StatusError && cause.reason === "NotFound") return;
      log.warn("cannot write a pod's status", { pod: name, cause: String(cause) });
      this.#owner.wakeIn(RETRY_MS);
    }
  }

  /** The last word on a deleted pod: nothing of it is left here, so the object may go. */
  async #remove(): Promise<void> {
    await this.#owner.gone;
    const { namespace, name, uid } = this.#owner.pod.metadata;
    await this.#context.client.delete("pods", namespace, name, { gracePeriodSeconds: 0, ...(uid ? { uid } : {}) });
  }
}
