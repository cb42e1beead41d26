import { Backoff } from "#lib/backoff";
import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import type { TlsFiles } from "#net/tls";
import type { IdentityConfig } from "../env.ts";
import { type Certificate, checkCertificate } from "./certificate.ts";
import type { KeyAndCsr } from "./key.ts";

/** Asks the control plane to certify a request. Rejects when it does not. */
export type Certify = (csr: Uint8Array, token: string) => Promise<Certificate>;

export interface IdentityDeps {
  readonly config: IdentityConfig;
  readonly loadKey: () => Promise<KeyAndCsr>;
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
 *   keyless --key--> waiting --certificate--> certified --70 % of life--> (asking again; the old one stays in use)
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
    this.#files = { keyPem: "", certPem: "", trustRootsPem: deps.config.trustRootsPem };
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

  /** Has the key made or loaded, then begins to ask for a certificate. Rejects when there is no key to be had. */
  async start(): Promise<void> {
    const { keyPem, csr } = await this.#deps.loadKey();
    if (this.#isStopped) return;
    this.#files = { ...this.#files, keyPem };
    void this.#renew(csr);
    this.#remind();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #renew(csr: Uint8Array): Promise<void> {
    const { certify, clock, config, log, observer } = this.#deps;
    try {
      const certificate = await certify(csr, this.#deps.readToken());
      const complaint = await checkCertificate(certificate, config.localName, config.trustRootsPem, clock.wallMs());
      if (this.#isStopped) return;
      if (complaint) throw new Error(complaint);
      this.#take(certificate);
    } catch (cause) {
      observer.failed();
      log.warn("Cannot obtain a certificate", { reason: (cause as Error).message });
    }
    if (!this.#isStopped) this.#timer = clock.schedule(this.#renewAfterMs(), () => void this.#renew(csr));
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
