/**
 * Lives one pod's life: asks the table (pod-life.ts) what follows, does it, writes the status. Everything is driven by
 * `tick`, which may be called at any time and any number of times.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Container, Pod } from "#kube/types";
import type { Timer } from "#lib/clock";
import type { KubeObject } from "../store/object.ts";
import { cloneObject, sameJson } from "../store/object.ts";
import { StatusError } from "../store/status.ts";
import { NODE_ADDRESS } from "./addresses.ts";
import { ContainerLog } from "./container-log.ts";
import { type Exit, StartError } from "./container-process.ts";
import { type ContainerRecord, type ContainerRole, newRecord } from "./container-record.ts";
import { ImageError, startContainer } from "./container-start.ts";
import { ConfigError } from "./environment.ts";
import { runHook } from "./lifecycle-hook.ts";
import { closePodNetwork, openPodNetwork, type PodNetwork } from "./network.ts";
import type { NodeContext } from "./node-context.ts";
import { advance, isFinal, type PodView, type Stage, toStart, toStop } from "./pod-life.ts";
import { statusOf } from "./pod-status.ts";
import { PodVolumes } from "./pod-volumes.ts";
import { Prober } from "./prober.ts";

const BACKOFF_MIN_MS = 200; // a cluster starts at 10 s; here people wait
const BACKOFF_MAX_MS = 300_000;
const BACKOFF_RESET_MS = 600_000; // a run this long is forgiven everything before
const CONFIG_RETRY_MS = 1_000;
const DEFAULT_GRACE_SECONDS = 30;
const LAST_GRACE_MS = 2_000; // what a sidecar gets when the main containers used up the pod's time
const TERMINATION_MESSAGE_BYTES = 4_096;
const LOG_MESSAGE_BYTES = 2_048;
const LOG_MESSAGE_LINES = 80;

export class PodWorker {
  readonly records: readonly ContainerRecord[];
  /** Resolves when nothing of the pod is left on the node. */
  readonly gone: Promise<void>;
  readonly #context: NodeContext;
  readonly #number: number;
  readonly #volumes: PodVolumes;
  readonly #startTime: string;
  readonly #probers = new Map<ContainerRecord, Prober>();
  readonly #killTimers = new Map<ContainerRecord, Timer>();
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
  #isPublishing = false;
  #isUnpublished = false;
  #lastStatus: unknown;
  #isForgotten = false;

  constructor(context: NodeContext, pod: Pod, number: number) {
    this.#context = context;
    this.#pod = pod;
    this.#number = number;
    this.#startTime = this.#now();
    this.records = recordsOf(pod);
    this.#volumes = new PodVolumes(
      join(context.home, "pods", String(number)),
      pod,
      context.clock,
      context.read,
      context.issueToken,
    );
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    this.#resolveGone = resolve;
  }

  get pod(): Pod {
    return this.#pod;
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
    this.#pod = { ...this.#pod, metadata: { ...this.#pod.metadata, deletionTimestamp: this.#now() } };
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
    this.#publish();
  }

  #round(): void {
    this.#wake?.cancel();
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    const view = this.#view();
    this.#stage = advance(this.#stage, view);
    if (this.#stage === "preparing") this.#prepare();
    for (const record of toStart(this.#stage, view)) this.#startIfDue(record);
    for (const record of toStop(this.#stage, view)) this.#stop(record);
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
      this.#wakeIn(waitMs);
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
    this.#note("Warning", isMount ? "FailedMount" : "FailedCreatePodSandBox", message);
  }

  #startIfDue(record: ContainerRecord): void {
    const waitMs = record.mayStartAtMs - this.#context.clock.monotonicMs();
    if (waitMs > 0) this.#wakeIn(waitMs);
    else this.#start(record);
  }

  #start(record: ContainerRecord): void {
    const isRestart = record.previousEnded !== undefined || record.ended !== undefined;
    record.containerId = crypto.randomUUID().replaceAll("-", "");
    if (isRestart) record.previousLog = record.log;
    record.log = new ContainerLog();
    try {
      record.process = startContainer(this.#context, {
        pod: this.#pod,
        record,
        volumes: this.#volumes,
        netns: this.#network!.path,
        podIp: this.#network!.address,
      });
    } catch (cause) {
      this.#cannotStart(record, cause);
      return;
    }
    if (isRestart) record.restarts++;
    record.state = "running";
    record.ended = undefined;
    record.startedAt = this.#now();
    record.startedAtMs = this.#context.clock.monotonicMs();
    record.isStopping = false;
    this.#note("Normal", "Started", `Started container ${record.spec.name}`, record);
    const run = record.process;
    void run.exited.then((exit) => this.#exited(record, exit));
    void this.#afterStart(record);
  }

  /** postStart first, then the probes. */
  async #afterStart(record: ContainerRecord): Promise<void> {
    const { process } = record;
    // Before that a command would run among the node's files, and fail.
    if (!process || !(await process.entered()) || record.process !== process || record.isStopping) return;
    const target = { container: record.spec, process, podIp: this.#network!.address, nodeEnv: this.#context.env };
    const hook = record.spec.lifecycle?.postStart;
    if (hook) {
      const failure = await runHook(hook, target, this.#context.clock, BACKOFF_MAX_MS);
      if (record.process !== process) return;
      if (failure !== undefined) {
        this.#note("Warning", "FailedPostStartHook", failure, record);
        this.#stop(record);
        return;
      }
    }
    const prober = new Prober(record.spec, target, this.#context.clock, {
      started: () => this.#change(record, { isStarted: true }),
      ready: (isReady) => this.#change(record, { isReady }),
      failed: (kind, why) => this.#note("Warning", "Unhealthy", `${kind} probe failed: ${why}`, record),
      dead: (kind) => {
        this.#note(
          "Normal",
          "Killing",
          `Container ${record.spec.name} failed ${kind.toLowerCase()} probe, will be restarted`,
          record,
        );
        this.#stop(record);
      },
    });
    this.#probers.set(record, prober);
    prober.run();
  }

  #change(record: ContainerRecord, change: { isStarted?: boolean; isReady?: boolean }): void {
    if (record.isStopping && change.isReady) return;
    Object.assign(record, change);
    this.tick();
  }

  #cannotStart(record: ContainerRecord, cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    record.waitingMessage = message;
    if (cause instanceof StartError) {
      record.log.end(this.#context.clock.wallMs());
      this.#note("Warning", "Failed", `Error: failed to start container "${record.spec.name}": ${message}`, record);
      record.startedAt = this.#now();
      record.startedAtMs = this.#context.clock.monotonicMs();
      this.#ended(record, { code: 128, signal: undefined }, "StartError", message);
      return;
    }
    const reason =
      cause instanceof ImageError
        ? "ErrImagePull"
        : cause instanceof ConfigError
          ? "CreateContainerConfigError"
          : "CreateContainerError";
    if (record.waitingReason !== reason || record.state !== "waiting") this.#note("Warning", "Failed", message, record);
    record.state = "waiting";
    record.waitingReason = reason;
    this.#backOff(record, CONFIG_RETRY_MS);
    this.#wakeIn(record.mayStartAtMs - this.#context.clock.monotonicMs());
  }

  #exited(record: ContainerRecord, exit: Exit): void {
    const reason = exit.code === 0 ? "Completed" : "Error";
    this.#ended(record, exit, reason, this.#lastWords(record, exit));
  }

  #ended(record: ContainerRecord, exit: Exit, reason: string, message: string): void {
    this.#probers.get(record)?.stop();
    this.#probers.delete(record);
    this.#killTimers.get(record)?.cancel();
    this.#killTimers.delete(record);
    record.process = undefined;
    record.isReady = record.isStarted = record.isStopping = false;
    record.state = "terminated";
    record.ended = {
      exitCode: exit.code,
      ...(exit.signal ? { signal: exit.signal } : {}),
      reason,
      message,
      startedAt: record.startedAt,
      finishedAt: this.#now(),
    };
    if (this.#willRestart(record)) this.#scheduleRestart(record);
    this.tick();
  }

  #willRestart(record: ContainerRecord): boolean {
    const isLiving = this.#stage === "initializing" || this.#stage === "running";
    const view = this.#view();
    return isLiving && !view.isDeleted && !isFinal(record, view);
  }

  #scheduleRestart(record: ContainerRecord): void {
    const ranMs = this.#context.clock.monotonicMs() - record.startedAtMs;
    if (ranMs >= BACKOFF_RESET_MS) record.backoffMs = 0;
    record.previousEnded = record.ended;
    record.state = "waiting";
    this.#backOff(record, BACKOFF_MIN_MS);
    const { name } = record.spec;
    record.waitingReason = "CrashLoopBackOff";
    record.waitingMessage = `back-off ${record.backoffMs / 1000}s restarting failed container=${name} pod=${this.#pod.metadata.name}`;
    this.#note("Warning", "BackOff", `Back-off restarting failed container ${name}`, record);
  }

  #backOff(record: ContainerRecord, minMs: number): void {
    record.backoffMs = Math.min(Math.max(record.backoffMs * 2, minMs), BACKOFF_MAX_MS);
    record.mayStartAtMs = this.#context.clock.monotonicMs() + record.backoffMs;
  }

  /** preStop, SIGTERM, and SIGKILL when the time is up. */
  #stop(record: ContainerRecord): void {
    const { process } = record;
    if (record.isStopping || !process) return;
    record.isStopping = true;
    record.isReady = false;
    this.#probers.get(record)?.stop();
    this.#note("Normal", "Killing", `Stopping container ${record.spec.name}`, record);
    const graceMs = this.#graceMs();
    this.#armKill(record, graceMs);
    const hook = record.spec.lifecycle?.preStop;
    if (!hook || graceMs === 0) {
      process.signal("SIGTERM");
      return;
    }
    const target = { container: record.spec, process, podIp: this.#network!.address, nodeEnv: this.#context.env };
    void runHook(hook, target, this.#context.clock, graceMs).then((failure) => {
      if (failure !== undefined) this.#note("Warning", "FailedPreStopHook", failure, record);
      process.signal("SIGTERM");
    });
  }

  #graceMs(): number {
    const own = (this.#pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
    if (this.#deadlineMs === Number.POSITIVE_INFINITY) return own;
    if (this.#isForgotten) return 0;
    const leftMs = this.#deadlineMs - this.#context.clock.monotonicMs();
    return this.#stage === "finishing" ? Math.max(leftMs, LAST_GRACE_MS) : Math.max(leftMs, 0);
  }

  #armKill(record: ContainerRecord, afterMs: number): void {
    this.#killTimers.get(record)?.cancel();
    const kill = (): void => record.process?.signal("SIGKILL");
    this.#killTimers.set(record, this.#context.clock.schedule(afterMs, kill));
  }

  /** The pod must be gone by then. A later, shorter deadline replaces a longer one. */
  #setDeadline(graceSeconds: number): void {
    const atMs = this.#context.clock.monotonicMs() + graceSeconds * 1000;
    if (atMs >= this.#deadlineMs) return;
    this.#deadlineMs = atMs;
    for (const record of this.records) if (record.isStopping) this.#armKill(record, this.#graceMs());
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
        this.#publish();
      });
  }

  #lastWords(record: ContainerRecord, exit: Exit): string {
    const path = this.#volumes.terminationPath(record.spec.name);
    const written = readText(path).slice(0, TERMINATION_MESSAGE_BYTES);
    if (written !== "" || exit.code === 0 || record.spec.terminationMessagePolicy !== "FallbackToLogsOnError")
      return written;
    return record.log.tail(LOG_MESSAGE_LINES, LOG_MESSAGE_BYTES);
  }

  /** Several containers may wait: the earliest instant wins, because every tick asks all of them again. */
  #wakeIn(afterMs: number): void {
    const atMs = this.#context.clock.monotonicMs() + Math.max(1, afterMs);
    if (atMs >= this.#wakeAtMs) return;
    this.#wake?.cancel();
    this.#wakeAtMs = atMs;
    this.#wake = this.#context.clock.schedule(Math.max(1, afterMs), () => this.tick());
  }

  #note(type: "Normal" | "Warning", reason: string, message: string, record?: ContainerRecord): void {
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

  /** Writes the status if it changed; one write at a time, the last state wins. */
  #publish(): void {
    this.#isUnpublished = true;
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    queueMicrotask(() => void this.#publishLoop());
  }

  async #publishLoop(): Promise<void> {
    try {
      while (this.#isUnpublished && !this.#isForgotten) {
        this.#isUnpublished = false;
        await this.#publishOnce();
      }
    } finally {
      this.#isPublishing = false;
    }
  }

  async #publishOnce(): Promise<void> {
    const { client, log } = this.#context;
    const { namespace, name, uid } = this.#pod.metadata;
    const current = client.get("pods", namespace, name);
    if (!current || current.metadata.uid !== uid) return;
    const status = statusOf({
      pod: current as unknown as Pod,
      view: this.#view(),
      stage: this.#stage,
      podIp: this.#network?.address,
      startTime: this.#startTime,
      now: this.#now(),
      trouble: this.#trouble,
    });
    try {
      if (!sameJson(status, this.#lastStatus)) {
        const next = { ...cloneObject(current), status };
        delete next.metadata.resourceVersion;
        await client.updateStatus("pods", next);
        this.#lastStatus = cloneObject(status);
      }
      if (this.#isClosing && this.#pod.metadata.deletionTimestamp) await this.#remove();
    } catch (cause) {
      if (cause instanceof StatusError && cause.reason === "NotFound") return;
      log.warn("cannot write a pod's status", { pod: name, cause: String(cause) });
      this.#wakeIn(CONFIG_RETRY_MS);
    }
  }

  async #remove(): Promise<void> {
    await this.gone;
    const { namespace, name, uid } = this.#pod.metadata;
    await this.#context.client.delete("pods", namespace, name, { gracePeriodSeconds: 0, ...(uid ? { uid } : {}) });
  }

  #now(): string {
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

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the volumes are gone already
  }
}

function asObject(pod: Pod): KubeObject {
  return pod as unknown as KubeObject;
}
