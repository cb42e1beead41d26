import { readFileSync } from "node:fs";
import type { Pod } from "#kube/types";
import type { Timer } from "#lib/clock";
import { ContainerLog } from "./container-log.ts";
import { type Exit, StartError } from "./container-process.ts";
import type { ContainerRecord } from "./container-record.ts";
import { ImageError, startContainer } from "./container-start.ts";
import { ConfigError } from "./environment.ts";
import { runHook } from "./lifecycle-hook.ts";
import type { PodNetwork } from "./network.ts";
import type { NodeContext } from "./node-context.ts";
import type { PodVolumes } from "./pod-volumes.ts";
import { Prober } from "./prober.ts";

const BACKOFF_MIN_MS = 200; // a cluster starts at 10 s; here people wait
const BACKOFF_MAX_MS = 300_000;
const BACKOFF_RESET_MS = 600_000; // a run this long is forgiven everything before
const CONFIG_RETRY_MS = 1_000;
const TERMINATION_MESSAGE_BYTES = 4_096;
const LOG_MESSAGE_BYTES = 2_048;
const LOG_MESSAGE_LINES = 80;

/** What a runner needs of its pod. */
export interface RunnerOwner {
  readonly pod: Pod;
  readonly network: PodNetwork | undefined;
  /** How long a container gets to end, from now. */
  graceMs(): number;
  /** Whether a container that ended is to run again. */
  willRestart(record: ContainerRecord): boolean;
  /** A record changed. */
  tick(): void;
  /** A record is to be looked at again then. */
  wakeIn(afterMs: number): void;
  note(type: "Normal" | "Warning", reason: string, message: string, record: ContainerRecord): void;
  now(): string;
}

/**
 * Runs the containers of one pod: start, hooks, probes, end, and the growing wait before another start. When each is due
 * is the worker's to say; what became of it stands in its record.
 */
export class ContainerRunner {
  readonly #owner: RunnerOwner;
  readonly #context: NodeContext;
  readonly #volumes: PodVolumes;
  readonly #probers = new Map<ContainerRecord, Prober>();
  readonly #killTimers = new Map<ContainerRecord, Timer>();

  constructor(owner: RunnerOwner, context: NodeContext, volumes: PodVolumes) {
    this.#owner = owner;
    this.#context = context;
    this.#volumes = volumes;
  }

  start(record: ContainerRecord): void {
    const isRestart = record.previousEnded !== undefined || record.ended !== undefined;
    record.containerId = crypto.randomUUID().replaceAll("-", "");
    if (isRestart) record.previousLog = record.log;
    record.log = new ContainerLog();
    try {
      record.process = startContainer(this.#context, {
        pod: this.#owner.pod,
        record,
        volumes: this.#volumes,
        netns: this.#owner.network!.path,
        podIp: this.#owner.network!.address,
      });
    } catch (cause) {
      this.#cannotStart(record, cause);
      return;
    }
    if (isRestart) record.restarts++;
    record.state = "running";
    record.ended = undefined;
    record.startedAt = this.#owner.now();
    record.startedAtMs = this.#context.clock.monotonicMs();
    record.isStopping = false;
    this.#owner.note("Normal", "Started", `Started container ${record.spec.name}`, record);
    const run = record.process;
    void run.exited.then((exit) => this.#exited(record, exit));
    void this.#afterStart(record);
  }

  /** postStart first, then the probes. */
  async #afterStart(record: ContainerRecord): Promise<void> {
    const { process } = record;
    // Before that a command would run among the node's files, and fail.
    if (!process || !(await process.entered()) || record.process !== process || record.isStopping) return;
    const target = { container: record.spec, process, podIp: this.#owner.network!.address, nodeEnv: this.#context.env };
    const hook = record.spec.lifecycle?.postStart;
    if (hook) {
      const failure = await runHook(hook, target, this.#context.clock, BACKOFF_MAX_MS);
      if (record.process !== process) return;
      if (failure !== undefined) {
        this.#owner.note("Warning", "FailedPostStartHook", failure, record);
        this.stop(record);
        return;
      }
    }
    const prober = new Prober(record.spec, target, this.#context.clock, {
      started: () => this.#change(record, { isStarted: true }),
      ready: (isReady) => this.#change(record, { isReady }),
      failed: (kind, why) => this.#owner.note("Warning", "Unhealthy", `${kind} probe failed: ${why}`, record),
      dead: (kind) => {
        this.#owner.note(
          "Normal",
          "Killing",
          `Container ${record.spec.name} failed ${kind.toLowerCase()} probe, will be restarted`,
          record,
        );
        this.stop(record);
      },
    });
    this.#probers.set(record, prober);
    prober.run();
  }

  #change(record: ContainerRecord, change: { isStarted?: boolean; isReady?: boolean }): void {
    if (record.isStopping && change.isReady) return;
    Object.assign(record, change);
    this.#owner.tick();
  }

  #cannotStart(record: ContainerRecord, cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    record.waitingMessage = message;
    if (cause instanceof StartError) {
      record.log.end(this.#context.clock.wallMs());
      this.#owner.note(
        "Warning",
        "Failed",
        `Error: failed to start container "${record.spec.name}": ${message}`,
        record,
      );
      record.startedAt = this.#owner.now();
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
    if (record.waitingReason !== reason || record.state !== "waiting")
      this.#owner.note("Warning", "Failed", message, record);
    record.state = "waiting";
    record.waitingReason = reason;
    this.#backOff(record, CONFIG_RETRY_MS);
    this.#owner.wakeIn(record.mayStartAtMs - this.#context.clock.monotonicMs());
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
      finishedAt: this.#owner.now(),
    };
    if (this.#owner.willRestart(record)) this.#scheduleRestart(record);
    this.#owner.tick();
  }

  #scheduleRestart(record: ContainerRecord): void {
    const ranMs = this.#context.clock.monotonicMs() - record.startedAtMs;
    if (ranMs >= BACKOFF_RESET_MS) record.backoffMs = 0;
    record.previousEnded = record.ended;
    record.state = "waiting";
    this.#backOff(record, BACKOFF_MIN_MS);
    const { name } = record.spec;
    record.waitingReason = "CrashLoopBackOff";
    record.waitingMessage = `back-off ${record.backoffMs / 1000}s restarting failed container=${name} pod=${this.#owner.pod.metadata.name}`;
    this.#owner.note("Warning", "BackOff", `Back-off restarting failed container ${name}`, record);
  }

  #backOff(record: ContainerRecord, minMs: number): void {
    record.backoffMs = Math.min(Math.max(record.backoffMs * 2, minMs), BACKOFF_MAX_MS);
    record.mayStartAtMs = this.#context.clock.monotonicMs() + record.backoffMs;
  }

  /** preStop, SIGTERM, and SIGKILL when the time is up. */
  stop(record: ContainerRecord): void {
    const { process } = record;
    if (record.isStopping || !process) return;
    record.isStopping = true;
    record.isReady = false;
    this.#probers.get(record)?.stop();
    this.#owner.note("Normal", "Killing", `Stopping container ${record.spec.name}`, record);
    const graceMs = this.#owner.graceMs();
    this.killAfter(record, graceMs);
    const hook = record.spec.lifecycle?.preStop;
    if (!hook || graceMs === 0) {
      process.signal("SIGTERM");
      return;
    }
    const target = { container: record.spec, process, podIp: this.#owner.network!.address, nodeEnv: this.#context.env };
    void runHook(hook, target, this.#context.clock, graceMs).then((failure) => {
      if (failure !== undefined) this.#owner.note("Warning", "FailedPreStopHook", failure, record);
      process.signal("SIGTERM");
    });
  }

  /** SIGKILL then. A later call replaces the one before. */
  killAfter(record: ContainerRecord, afterMs: number): void {
    this.#killTimers.get(record)?.cancel();
    const kill = (): void => record.process?.signal("SIGKILL");
    this.#killTimers.set(record, this.#context.clock.schedule(afterMs, kill));
  }

  #lastWords(record: ContainerRecord, exit: Exit): string {
    const path = this.#volumes.terminationPath(record.spec.name);
    const written = readText(path).slice(0, TERMINATION_MESSAGE_BYTES);
    if (written !== "" || exit.code === 0 || record.spec.terminationMessagePolicy !== "FallbackToLogsOnError")
      return written;
    return record.log.tail(LOG_MESSAGE_LINES, LOG_MESSAGE_BYTES);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the volumes are gone already
  }
}
