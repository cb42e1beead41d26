/**
 * Lives one pod's life: asks the table (pod-life.ts) what follows, does it, writes the status. Everything is driven by
 * `tick`, which may be called at any time and any number of times.
 */
import { join } from "node:path";
import type { Container, Pod } from "#kube/types";
import type { Timer } from "#lib/clock";
import type { KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import { NODE_ADDRESS } from "./addresses.ts";
import { type ContainerRecord, type ContainerRole, newRecord } from "./container-record.ts";
import { ContainerRunner, type RunnerOwner } from "./container-runner.ts";
import { ConfigError } from "./environment.ts";
import { closePodNetwork, openPodNetwork, type PodNetwork } from "./network.ts";
import type { NodeContext } from "./node-context.ts";
import { advance, isFinal, type PodView, type Stage, toStart, toStop } from "./pod-life.ts";
import { PodPublisher, type PublisherOwner } from "./pod-publisher.ts";
import { statusOf } from "./pod-status.ts";
import { PodVolumes } from "./pod-volumes.ts";

const CONFIG_RETRY_MS = 1_000;
const DEFAULT_GRACE_SECONDS = 30;
const LAST_GRACE_MS = 2_000; // what a sidecar gets when the main containers used up the pod's time

export class PodWorker implements RunnerOwner, PublisherOwner {
  readonly records: readonly ContainerRecord[];
  /** Resolves when nothing of the pod is left on the node. */
  readonly gone: Promise<void>;
  readonly #context: NodeContext;
  readonly #number: number;
  readonly #volumes: PodVolumes;
  readonly #startTime: string;
  readonly #runner: ContainerRunner;
  readonly #publisher: PodPublisher;
  readonly #resolveGone: () => void;
  #pod: Pod;
  #stage: Stage = "preparing";
  #network: PodNetwork | undefined;
  #isPrepared = false;
  #isPreparing = false;
  #isClosing = false;
  #isTicking = false;
  #isTickDue = false;
  #trouble: { reason: string; message: string } | undefined;
  #prepareAtMs = 0;
  #wake: Timer | undefined;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #deadlineMs = Number.POSITIVE_INFINITY;
  #isForgotten = false;

  constructor(context: NodeContext, pod: Pod, number: number) {
    this.#context = context;
    this.#pod = pod;
    this.#number = number;
    this.#startTime = this.now();
    this.records = recordsOf(pod);
    this.#volumes = new PodVolumes(
      join(context.home, "pods", String(number)),
      pod,
      context.clock,
      context.read,
      context.issueToken,
    );
    this.#runner = new ContainerRunner(this, context, this.#volumes);
    this.#publisher = new PodPublisher(this, context);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.#resolveGone = resolve;
  }

  get pod(): Pod {
    return this.#pod;
  }

  get isForgotten(): boolean {
    return this.#isForgotten;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  get network(): PodNetwork | undefined {
    return this.#network;
  }

  record(container: string): ContainerRecord | undefined {
    return this.records.find((record) => record.spec.name === container);
  }

  /** The object changed. */
  update(pod: Pod): void {
    const isNewlyDeleted = pod.metadata.deletionTimestamp !== undefined;
    this.#pod = pod;
    if (isNewlyDeleted) this.#setDeadline(pod.metadata.deletionGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS);
    if (this.#isPrepared && this.#stage !== "ended") this.#volumes.refresh(pod);
    this.tick();
  }

  /** A ConfigMap or Secret of the namespace changed. */
  contentChanged(): void {
    for (const record of this.records)
      if (record.waitingReason === "CreateContainerConfigError") record.mayStartAtMs = 0;
    if (this.#isPrepared && this.#stage !== "ended") this.#volumes.refresh(this.#pod);
    else this.#prepareAtMs = 0;
    this.tick();
  }

  /** The object is gone (deleted by force): end everything now, write nothing. */
  forget(): void {
    this.#isForgotten = true;
    this.#pod = { ...this.#pod, metadata: { ...this.#pod.metadata, deletionTimestamp: this.now() } };
    this.#setDeadline(0);
    this.tick();
  }

  /** Looks at everything and does what is due. What a step brings about is looked at in another round, not inside it. */
  tick(): void {
    this.#isTickDue = true;
    if (this.#isTicking) return;
    this.#isTicking = true;
    while (this.#isTickDue) {
      this.#isTickDue = false;
      this.#round();
    }
    this.#isTicking = false;
    this.#publisher.publish();
  }

  #round(): void {
    this.#wake?.cancel();
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    const view = this.#view();
    this.#stage = advance(this.#stage, view);
    if (this.#stage === "preparing") this.#prepare();
    for (const record of toStart(this.#stage, view)) this.#startIfDue(record);
    for (const record of toStop(this.#stage, view)) this.#runner.stop(record);
    if (this.#stage === "ended") this.#close();
  }

  #view(): PodView {
    return {
      records: this.records,
      restartPolicy: (this.#pod.spec?.restartPolicy ?? "Always") as PodView["restartPolicy"],
      isDeleted: this.#pod.metadata.deletionTimestamp !== undefined,
      isPrepared: this.#isPrepared,
    };
  }

  #prepare(): void {
    if (this.#isPreparing || this.#isPrepared) return;
    const waitMs = this.#prepareAtMs - this.#context.clock.monotonicMs();
    if (waitMs > 0) {
      this.wakeIn(waitMs);
      return;
    }
    this.#isPreparing = true;
    this.#openResources()
      .then(
        () => {
          this.#isPrepared = true;
          this.#trouble = undefined;
        },
        (cause: unknown) => this.#setTrouble(cause),
      )
      .finally(() => {
        this.#isPreparing = false;
        this.tick();
      });
  }

  async #openResources(): Promise<void> {
    this.#network ??= await this.#openNetwork();
    await this.#volumes.open(this.#network.address);
  }

  async #openNetwork(): Promise<PodNetwork> {
    if (this.#pod.spec?.hostNetwork) return { name: "", path: "/proc/1/ns/net", address: NODE_ADDRESS };
    const address = this.#context.addresses.take();
    try {
      return await openPodNetwork(this.#context.commands, this.#number, address);
    } catch (cause) {
      this.#context.addresses.give(address);
      throw cause;
    }
  }

  #setTrouble(cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    const isMount = cause instanceof ConfigError || cause instanceof StatusError;
    this.#trouble = { reason: "ContainerCreating", message };
    this.#prepareAtMs = this.#context.clock.monotonicMs() + CONFIG_RETRY_MS;
    this.note("Warning", isMount ? "FailedMount" : "FailedCreatePodSandBox", message);
  }

  #startIfDue(record: ContainerRecord): void {
    const waitMs = record.mayStartAtMs - this.#context.clock.monotonicMs();
    if (waitMs > 0) this.wakeIn(waitMs);
    else this.#runner.start(record);
  }

  /** The pod must be gone by then. A later, shorter deadline replaces a longer one. */
  #setDeadline(graceSeconds: number): void {
    const atMs = this.#context.clock.monotonicMs() + graceSeconds * 1000;
    if (atMs >= this.#deadlineMs) return;
    this.#deadlineMs = atMs;
    for (const record of this.records) if (record.isStopping) this.#runner.killAfter(record, this.graceMs());
  }

  #close(): void {
    if (this.#isClosing || this.#isPreparing) return;
    this.#isClosing = true;
    this.#volumes.close();
    const network = this.#network;
    const closed =
      network && network.name !== "" ? closePodNetwork(this.#context.commands, network) : Promise.resolve();
    void closed
      .catch((cause: unknown) => this.#context.log.warn("cannot close a pod's network", { cause: String(cause) }))
      .then(() => {
        if (network && network.name !== "") this.#context.addresses.give(network.address);
        this.#resolveGone();
        this.#publisher.publish();
      });
  }

  // --- for its runner and its publisher ---

  willRestart(record: ContainerRecord): boolean {
    const isLiving = this.#stage === "initializing" || this.#stage === "running";
    const view = this.#view();
    return isLiving && !view.isDeleted && !isFinal(record, view);
  }

  graceMs(): number {
    const own = (this.#pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
    if (this.#deadlineMs === Number.POSITIVE_INFINITY) return own;
    if (this.#isForgotten) return 0;
    const leftMs = this.#deadlineMs - this.#context.clock.monotonicMs();
    return this.#stage === "finishing" ? Math.max(leftMs, LAST_GRACE_MS) : Math.max(leftMs, 0);
  }

  /** Several containers may wait: the earliest instant wins, because every tick asks all of them again. */
  wakeIn(afterMs: number): void {
    const atMs = this.#context.clock.monotonicMs() + Math.max(1, afterMs);
    if (atMs >= this.#wakeAtMs) return;
    this.#wake?.cancel();
    this.#wakeAtMs = atMs;
    this.#wake = this.#context.clock.schedule(Math.max(1, afterMs), () => this.tick());
  }

  note(type: "Normal" | "Warning", reason: string, message: string, record?: ContainerRecord): void {
    if (this.#isForgotten) return;
    const part = record?.role === "main" ? "containers" : "initContainers";
    const fieldPath = record ? `spec.${part}{${record.spec.name}}` : undefined;
    this.#context.events.note(asObject(this.#pod), "Pod", {
      type,
      reason,
      message,
      ...(fieldPath ? { fieldPath } : {}),
    });
  }

  statusFrom(current: Pod): KubeObject["status"] {
    return statusOf({
      pod: current,
      view: this.#view(),
      stage: this.#stage,
      podIp: this.#network?.address,
      startTime: this.#startTime,
      now: this.now(),
      trouble: this.#trouble,
    });
  }

  now(): string {
    return new Date(this.#context.clock.wallMs()).toISOString().replace(/\.\d+Z/, "Z");
  }
}

function recordsOf(pod: Pod): ContainerRecord[] {
  const role = (container: Container): ContainerRole =>
    (container as { restartPolicy?: string }).restartPolicy === "Always" ? "sidecar" : "init";
  return [
    ...(pod.spec?.initContainers ?? []).map((container) => newRecord(container, role(container))),
    ...(pod.spec?.containers ?? []).map((container) => newRecord(container, "main")),
  ];
}

function asObject(pod: Pod): KubeObject {
  return pod as unknown as KubeObject;
}
