/** Which limit refused a request. */
export interface Refusal {
  readonly scope: "total" | "identity";
  readonly message: string;
}

export interface RateLimitOptions {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
  /** Requests per second; 0 is no limit. */
  readonly totalRps: number;
  readonly identityRps: number;
  readonly overrides: readonly { readonly rps: number; readonly identities: readonly string[] }[];
}

/**
 * Requests per second of one port: for all, then for each client. Never waits.
 * GCRA with a burst of one second's worth. Clients without identity share one bucket.
 * Limit: `MAX_BUCKETS` clients are told apart; the one seen longest ago is forgotten first.
 */
export class RateLimit {
  readonly options: RateLimitOptions;
  readonly #total: Bucket | undefined;
  readonly #overrides = new Map<string, Bucket>();
  readonly #clients = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.options = options;
    this.#total = options.totalRps > 0 ? new Bucket(options.totalRps) : undefined;
    for (const { rps, identities } of options.overrides) {
      const shared = new Bucket(rps);
      for (const identity of identities) this.#overrides.set(identity, shared);
    }
  }

  /** Takes one request of a client, or says which limit refuses it. */
  take(clientId: string | undefined, nowMs: number): Refusal | undefined {
    if (this.#total && !this.#total.take(nowMs)) {
      return { scope: "total", message: `total rate limit exceeded: ${this.#total.rps}rps` };
    }
    const override = clientId === undefined ? undefined : this.#overrides.get(clientId);
    if (override) {
      if (override.rps === 0 || override.take(nowMs)) return undefined;
      return { scope: "identity", message: `override rate limit exceeded: ${override.rps}rps` };
    }
    if (this.options.identityRps === 0 || this.#bucketOf(clientId ?? "").take(nowMs)) return undefined;
    return { scope: "identity", message: `per-identity rate limit exceeded: ${this.options.identityRps}rps` };
  }

  #bucketOf(clientId: string): Bucket {
    const known = this.#clients.get(clientId);
    if (known) {
      this.#clients.delete(clientId);
      this.#clients.set(clientId, known);
      return known;
    }
    if (this.#clients.size >= MAX_BUCKETS) {
      for (const oldest of this.#clients.keys()) {
        this.#clients.delete(oldest);
        break;
      }
    }
    const made = new Bucket(this.options.identityRps);
    this.#clients.set(clientId, made);
    return made;
  }
}

const MAX_BUCKETS = 10_000;

/** GCRA: requests are due at even intervals, and may come up to a second early. */
class Bucket {
  readonly rps: number;
  #dueMs = 0;

  constructor(rps: number) {
    this.rps = rps;
  }

  take(nowMs: number): boolean {
    const intervalMs = 1000 / this.rps;
    const dueMs = Math.max(this.#dueMs, nowMs);
    if (dueMs - nowMs > 1000 - intervalMs + 1e-6) return false;
    this.#dueMs = dueMs + intervalMs;
    return true;
  }
}
