import { Backoff } from "#lib/backoff";
import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import type { TlsFiles } from "#net/tls";
import type { IdentityConfig } from "../env.ts";
import { type Certificate, checkCertificate } from "./certificate.ts";

/** Asks the control plane for a certificate. Rejects when it is not given. */
export type Certify = (token: string) => Promise<Certificate>;

export interface IdentityDeps {
  readonly config: IdentityConfig;
  readonly keyPem: string;
  readonly certify: Certify;
  readonly readToken: () => string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly observer: IdentityObserver;
}

/** What the identity's metrics hear. */
export interface IdentityObserver {
  refreshed(expiresAtMs: number): void;
  failed(): void;
}

/**
 * Who this proxy is: one key for the life of the process, and a certificate that is renewed at 70 % of its life.
 * `files` is swapped whole; connections made before keep what they began with.
 *
 *   waiting --certificate--> certified --70 % of life--> (asking again; the old one stays in use)
 */
export class Identity {
  readonly #deps: IdentityDeps;
  #files: TlsFiles;
  #expiresAtMs = 0;
  #timer: Timer | null = null;
  #isStopped = false;
  readonly #ready: { promise: Promise<void>; resolve: () => void };
  #isReady = false;
  readonly #backoff: Backoff;

  constructor(deps: IdentityDeps) {
    this.#deps = deps;
    this.#backoff = new Backoff(RETRY, deps.random);
    this.#files = { keyPem: deps.keyPem, certPem: "", trustRootsPem: deps.config.trustRootsPem };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ready = { promise, resolve };
  }

  /** Our DNS name, as peers must find it in our certificate. */
  get name(): string {
    return this.#deps.config.localName;
  }

  /** What new connections use. `certPem` is empty before the first certificate. */
  get files(): TlsFiles {
    return this.#files;
  }

  /** Turns true at the first certificate and stays so. */
  get isReady(): boolean {
    return this.#isReady;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  start(): void {
    void this.#renew();
    this.#remind();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #renew(): Promise<void> {
    const { certify, clock, config, log, observer } = this.#deps;
    try {
      const certificate = await certify(this.#deps.readToken());
      if (this.#isStopped) return;
      const complaint = checkCertificate(certificate, config.localName, config.trustRootsPem, clock.wallMs());
      if (complaint) throw new Error(complaint);
      this.#take(certificate);
    } catch (cause) {
      observer.failed();
      log.warn("Cannot obtain a certificate", { reason: (cause as Error).message });
    }
    if (!this.#isStopped) this.#timer = clock.schedule(this.#renewAfterMs(), () => void this.#renew());
  }

  #take(certificate: Certificate): void {
    this.#files = { ...this.#files, certPem: certificate.chainPem };
    this.#expiresAtMs = certificate.expiresAtMs;
    this.#deps.observer.refreshed(certificate.expiresAtMs);
    this.#deps.log.info("Certified", { id: this.name, expires: new Date(certificate.expiresAtMs).toISOString() });
    this.#isReady = true;
    this.#backoff.reset();
    this.#ready.resolve();
  }

  /** 70 % of what is left, within the configured bounds; without a certificate in force, soon, and not all at once. */
  #renewAfterMs(): number {
    const { minRefreshMs, maxRefreshMs } = this.#deps.config;
    const leftMs = this.#expiresAtMs - this.#deps.clock.wallMs();
    if (!this.#isReady || leftMs <= 0) return this.#backoff.nextMs();
    return Math.min(Math.max(leftMs * 0.7, minRefreshMs), maxRefreshMs);
  }

  #remind(): void {
    this.#deps.clock.schedule(REMIND_MS, () => {
      if (this.#isReady || this.#isStopped) return;
      this.#deps.log.warn("Waiting for the identity service to certify this proxy", { id: this.name });
      this.#remind();
    });
  }
}

const REMIND_MS = 15_000;
/** Short, for a pod cannot serve before it succeeds; with chance, for all pods of a cluster ask when identity comes back. */
const RETRY = { minMs: 500, maxMs: 2_000, jitter: 0.5 };
