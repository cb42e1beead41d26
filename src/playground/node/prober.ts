/**
 * Asks one running container its startup, readiness and liveness questions, in time. Until the first good answer a
 * playground asks more often than `periodSeconds` (and without the initial delay): waiting in whole seconds is what makes small clusters
 * feel slow. Failures before that only count against a startup probe, and there by time, not by number.
 */

import type { Container, Probe } from "#kube/types";
import type { Clock, Timer } from "#lib/clock";
import { ask, type ProbeTarget } from "./probe-actions.ts";

export interface ProbeSink {
  started(): void;
  ready(isReady: boolean): void;
  /** The container must be restarted. */
  dead(kind: "Liveness" | "Startup", why: string): void;
  /** For an event. */
  failed(kind: "Liveness" | "Readiness" | "Startup", why: string): void;
}

const EAGER_MS = 40; // first repetition; later ones wait a quarter of the time that has passed

export class Prober {
  readonly #container: Container;
  readonly #target: ProbeTarget;
  readonly #clock: Clock;
  readonly #sink: ProbeSink;
  readonly #timers = new Map<string, Timer>();
  #isStopped = false;

  constructor(container: Container, target: ProbeTarget, clock: Clock, sink: ProbeSink) {
    this.#container = container;
    this.#target = target;
    this.#clock = clock;
    this.#sink = sink;
  }

  run(): void {
    if (this.#container.startupProbe) this.#startup(this.#container.startupProbe);
    else this.#begin();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }

  #startup(probe: Probe): void {
    const sinceMs = this.#clock.monotonicMs();
    const patienceMs = (probe.initialDelaySeconds ?? 0) * 1000 + periodMs(probe) * (probe.failureThreshold ?? 3);
    this.#repeat("startup", 0, probe, (why) => {
      if (why === undefined) {
        this.#begin();
        return undefined;
      }
      const passedMs = this.#clock.monotonicMs() - sinceMs;
      if (passedMs < patienceMs) return eagerMs(passedMs, probe);
      this.#sink.failed("Startup", why);
      this.#sink.dead("Startup", why);
      return undefined;
    });
  }

  #begin(): void {
    this.#sink.started();
    const { readinessProbe, livenessProbe } = this.#container;
    if (readinessProbe) this.#readiness(readinessProbe);
    else this.#sink.ready(true);
    if (livenessProbe) this.#liveness(livenessProbe);
  }

  #readiness(probe: Probe): void {
    const sinceMs = this.#clock.monotonicMs();
    let isReady = false;
    let hasBeenReady = false;
    let failures = 0;
    let successes = 0;
    this.#repeat("readiness", 0, probe, (why) => {
      failures = why === undefined ? 0 : failures + 1;
      successes = why === undefined ? successes + 1 : 0;
      if (successes >= (probe.successThreshold ?? 1)) {
        isReady = hasBeenReady = true;
        this.#sink.ready(true);
      } else if (why !== undefined && isReady && failures >= (probe.failureThreshold ?? 3)) {
        isReady = false;
        this.#sink.ready(false);
      }
      const passedMs = this.#clock.monotonicMs() - sinceMs;
      if (why !== undefined && (hasBeenReady || passedMs > periodMs(probe))) this.#sink.failed("Readiness", why);
      return hasBeenReady ? periodMs(probe) : eagerMs(passedMs, probe);
    });
  }

  #liveness(probe: Probe): void {
    let failures = 0;
    this.#repeat("liveness", (probe.initialDelaySeconds ?? 0) * 1000, probe, (why) => {
      failures = why === undefined ? 0 : failures + 1;
      if (why !== undefined) this.#sink.failed("Liveness", why);
      if (failures < (probe.failureThreshold ?? 3)) return periodMs(probe);
      this.#sink.dead("Liveness", why ?? "");
      return undefined;
    });
  }

  /** Asks after `afterMs` and again after what `judge` returns; undefined ends it. */
  #repeat(name: string, afterMs: number, probe: Probe, judge: (why: string | undefined) => number | undefined): void {
    const timer = this.#clock.schedule(afterMs, () => {
      void ask(probe, this.#target, (probe.timeoutSeconds ?? 1) * 1000).then((why) => {
        if (this.#isStopped) return;
        const nextMs = judge(why);
        if (nextMs !== undefined && !this.#isStopped) this.#repeat(name, nextMs, probe, judge);
      });
    });
    this.#timers.set(name, timer);
  }
}

function periodMs(probe: Probe): number {
  return (probe.periodSeconds ?? 10) * 1000;
}

function eagerMs(passedMs: number, probe: Probe): number {
  return Math.min(periodMs(probe), Math.max(EAGER_MS, passedMs / 4));
}
