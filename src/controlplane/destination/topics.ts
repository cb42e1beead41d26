import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";

/** Something that can be brought up to date, and who still wants it. */
export interface Topic {
  readonly subscriberCount: number;
  refresh(): number;
}

interface Entry<T extends Topic> {
  readonly topic: T;
  readonly subjects: readonly string[];
}

const COALESCE_MS = 10; // a rollout changes a slice and its pods together: one update instead of three
const REPAIR_EVERY_MS = 1_000;
const REPAIR_TURNS = 10; // every topic is recomputed once in this many turns: a missed event heals within 10 s

/**
 * The questions that are being asked, each computed once for all who ask it. A change names its subjects
 * (`service shop/web`, `ip 10.0.0.1`); the topics about them are refreshed together a moment later.
 */
export class Topics<T extends Topic> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #bySubject = new Map<string, Set<string>>();
  readonly #dirty = new Set<string>();
  readonly #clock: Clock;
  readonly #log: Log;
  #timer: Timer | undefined;
  #repairTimer: Timer | undefined;
  #turn = 0;
  #repairCount = 0;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** How often the periodic repair found something that events had not said. */
  get repairCount(): number {
    return this.#repairCount;
  }

  get subscriberCount(): number {
    let count = 0;
    for (const { topic } of this.#entries.values()) count += topic.subscriberCount;
    return count;
  }

  /** The topic of that name, made when nobody asks for it yet. */
  open(name: string, subjects: readonly string[], make: () => T): T {
    const known = this.#entries.get(name);
    if (known) return known.topic;
    const topic = make();
    this.#entries.set(name, { topic, subjects });
    for (const subject of subjects) {
      const names = this.#bySubject.get(subject) ?? new Set();
      this.#bySubject.set(subject, names.add(name));
    }
    return topic;
  }

  /** Forgets a topic that nobody follows any more. */
  closeIfUnused(name: string): void {
    const entry = this.#entries.get(name);
    if (!entry || entry.topic.subscriberCount > 0) return;
    this.#entries.delete(name);
    this.#dirty.delete(name);
    for (const subject of entry.subjects) {
      const names = this.#bySubject.get(subject);
      names?.delete(name);
      if (names?.size === 0) this.#bySubject.delete(subject);
    }
  }

  /** Says that something about `subject` changed. */
  touch(subject: string): void {
    for (const name of this.#bySubject.get(subject) ?? []) this.#dirty.add(name);
    if (this.#dirty.size > 0) this.#timer ??= this.#clock.schedule(COALESCE_MS, () => this.flush());
  }

  /** Refreshes what was touched, now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const names = [...this.#dirty];
    this.#dirty.clear();
    for (const name of names) this.#refresh(name);
  }

  /** Begins the periodic repair. */
  start(): void {
    this.#repairTimer = this.#clock.schedule(REPAIR_EVERY_MS, () => {
      this.repairTurn();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#repairTimer?.cancel();
  }

  /** Recomputes a tenth of all topics and sends what events had missed. */
  repairTurn(): void {
    this.#turn = (this.#turn + 1) % REPAIR_TURNS;
    let index = 0;
    for (const name of this.#entries.keys()) {
      if (index++ % REPAIR_TURNS !== this.#turn || this.#dirty.has(name)) continue;
      if (this.#refresh(name) === 0) continue;
      this.#repairCount++;
      this.#log.warn("Repaired a view that had missed a change", { topic: name });
    }
  }

  /** One topic that cannot be computed (an object nobody expected) keeps what it said last and holds up no other. */
  #refresh(name: string): number {
    try {
      return this.#entries.get(name)?.topic.refresh() ?? 0;
    } catch (error) {
      this.#log.error("Cannot compute an update", { topic: name, error: (error as Error).message });
      return 0;
    }
  }
}
