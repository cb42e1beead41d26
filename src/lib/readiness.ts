import type { Log } from "./log.ts";

/** A set of named waits: ready when none is left. Each is logged as it completes, so that a stuck start explains itself. */
export class Readiness {
  readonly #waits = new Set<string>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Waits for `done` under `name`. */
  add(name: string, done: Promise<unknown>): void {
    this.#waits.add(name);
    void done.then(
      () => this.#complete(name),
      (error: Error) => this.#log.error("Cannot become ready", { wait: name, error: error.message }),
    );
  }

  /** What is still missing. */
  pending(): readonly string[] {
    return [...this.#waits];
  }

  #complete(name: string): void {
    this.#waits.delete(name);
    this.#log.info(this.#waits.size === 0 ? "Ready" : "Waiting", {
      done: name,
      left: this.pending().join(",") || undefined,
    });
  }
}
