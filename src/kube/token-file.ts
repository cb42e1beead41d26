import type { Clock } from "#lib/clock";
import { readTextIfThere } from "#lib/files";

const REREAD_AFTER_MS = 60_000; // kubelets rotate projected tokens at 80 % of their life, an hour by default

/** A bearer token kept in a file that someone else rotates: re-read each minute, the last good one kept meanwhile. */
export class TokenFile {
  readonly #path: string;
  readonly #clock: Clock;
  #token = "";
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** The token. Throws when it was never readable. */
  read(): string {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#readAtMs >= REREAD_AFTER_MS) {
      const text = readTextIfThere(this.#path)?.trim();
      if (text) {
        this.#token = text;
        this.#readAtMs = nowMs;
      }
    }
    if (this.#token === "") throw new Error(`Cannot read token file "${this.#path}": wanted a non-empty file`);
    return this.#token;
  }
}
