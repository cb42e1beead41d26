import { Backoff } from "#lib/backoff";
import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import { StatusError } from "../store/status.ts";

const MIN_RETRY_MS = 5;
const MAX_RETRY_MS = 10_000;
const MAX_KEYS = 20_000; // more objects of one kind than a playground can hold

/**
 * Keys of objects to look at. A key waits at most once, is never worked on twice at the same time, and comes back with a
 * growing delay when its work failed.
 */
export class WorkQueue {
  readonly #name: string;
  readonly #work: (key: string) => Promise<void>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #waiting = new Set<string>();
  readonly #delayed = new Map<string, { timer: Timer; atMs: number }>();
  readonly #backoffs = new Map<string, Backoff>();
  readonly #running = new Set<string>();
  #isStopped = false;
  #isScheduled = false;

  constructor(name: string, deps: { clock: Clock; random: Random; log: Log }, work: (key: string) => Promise<void>) {
    this.#name = name;
    this.#clock = deps.clock;
    this.#random = deps.random;
    this.#log = deps.log;
    this.#work = work;
  }

  /** Look at this object soon. Cheap; may be called inside a watch. */
  add(key: string): void {
    if (this.#isStopped || (this.#waiting.size >= MAX_KEYS && !this.#waiting.has(key))) return;
    this.#waiting.add(key);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#next());
  }

  /** Look at it in a while; an earlier instant already planned stays. */
  addAfter(key: string, afterMs: number): void {
    const atMs = this.#clock.monotonicMs() + afterMs;
    const planned = this.#delayed.get(key);
    if (this.#isStopped || (planned && planned.atMs <= atMs)) return;
    planned?.timer.cancel();
    const timer = this.#clock.schedule(afterMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { timer, atMs });
  }

  stop(): void {
    this.#isStopped = true;
    this.#waiting.clear();
    for (const { timer } of this.#delayed.values()) timer.cancel();
  }

  #next(): void {
    this.#isScheduled = false;
    for (const key of [...this.#waiting]) {
      if (this.#running.has(key)) continue; // comes again when that run ends
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#work(key);
      this.#backoffs.delete(key);
    } catch (cause) {
      this.#retry(key, cause);
    }
    this.#running.delete(key);
    if (this.#waiting.has(key)) this.add(key);
  }

  #retry(key: string, cause: unknown): void {
    const options = { minMs: MIN_RETRY_MS, maxMs: MAX_RETRY_MS, jitter: 0.2 };
    const backoff = this.#backoffs.get(key) ?? new Backoff(options, this.#random);
    this.#backoffs.set(key, backoff);
    const isRace = cause instanceof StatusError && (cause.reason === "Conflict" || cause.reason === "NotFound");
    if (!isRace) this.#log.warn("controller will try again", { controller: this.#name, key, cause: String(cause) });
    this.addAfter(key, backoff.nextMs());
  }
}
