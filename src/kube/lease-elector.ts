import { type Clock, systemClock, type Timer } from "#lib/clock";
import { type Log, silentLog } from "#lib/log";
import { ApiError } from "./api-error.ts";
import type { KubeClient } from "./client.ts";
import type { Lease } from "./types/builtin.ts";
import { LEASES } from "./types/builtin-resources.ts";
import type { ObjectMeta } from "./types/object.ts";

export interface LeaseElectorOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Who claims: the pod's name. */
  readonly identity: string;
  /** How long a claim holds without renewal; whole seconds. */
  readonly durationMs?: number;
  /** Labels and owner of the Lease when it has to be made. */
  readonly metadata?: Partial<ObjectMeta>;
  /** Told when leadership is won or lost. */
  readonly onChange?: (isLeader: boolean) => void;
  readonly clock?: Clock;
  readonly log?: Log;
}

const DEFAULT_DURATION_MS = 30_000;

/**
 * One leader among the holders of a Lease.
 *
 * Another's claim counts as expired when *we* have seen no renewal for its duration, so clocks need not agree.
 * We stop leading, by our own clock, before anyone else may start.
 */
export class LeaseElector {
  readonly #options: LeaseElectorOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #durationMs: number;
  #timer: Timer | undefined;
  #expiry: Timer | undefined;
  #isLeader = false;
  #isStopped = false;
  #seen: { renewal: string; atMs: number } = { renewal: "", atMs: 0 };
  #round: Promise<void> = Promise.resolve();

  constructor(options: LeaseElectorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = (options.log ?? silentLog).with({ lease: options.name });
    this.#durationMs = options.durationMs ?? DEFAULT_DURATION_MS;
  }

  get isLeader(): boolean {
    return this.#isLeader;
  }

  start(): this {
    this.#next(0);
    return this;
  }

  /** Stops, and gives the Lease back so that another need not wait for it to expire. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#round;
    const wasLeader = this.#isLeader;
    this.#become(false);
    if (wasLeader) await this.#release().catch(() => {}); // it expires by itself
  }

  #next(afterMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#clock.schedule(afterMs, () => {
      this.#round = this.#tryOnce().then(() => this.#next(this.#durationMs / 3));
    });
  }

  async #tryOnce(): Promise<void> {
    const startedAtMs = this.#clock.monotonicMs();
    try {
      const isHeld = await this.#claim();
      if (isHeld) this.#holdFrom(startedAtMs);
      else this.#become(false);
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return this.#become(false); // another was faster
      this.#log.warn("Cannot renew the lease", { error: (error as Error).message });
    }
  }

  async #claim(): Promise<boolean> {
    const { client, namespace, name, identity } = this.#options;
    const lease = await client.get(LEASES, name, namespace);
    if (!lease) {
      await client.create(LEASES, {
        metadata: { ...this.#options.metadata, name, namespace },
        spec: this.#claimSpec(undefined),
      });
      return true;
    }
    const isOurs = lease.spec?.holderIdentity === identity;
    if (!isOurs && !this.#hasExpired(lease)) return false;
    await client.update(LEASES, { ...lease, spec: { ...lease.spec, ...this.#claimSpec(lease) } });
    return true;
  }

  #hasExpired(lease: Lease): boolean {
    const { holderIdentity, renewTime, leaseDurationSeconds = 0 } = lease.spec ?? {};
    if (!holderIdentity) return true;
    const nowMs = this.#clock.monotonicMs();
    const renewal = `${holderIdentity} ${renewTime}`;
    if (this.#seen.renewal !== renewal) this.#seen = { renewal, atMs: nowMs };
    return nowMs - this.#seen.atMs >= leaseDurationSeconds * 1000;
  }

  #claimSpec(lease: Lease | undefined): NonNullable<Lease["spec"]> {
    const nowText = new Date(this.#clock.wallMs()).toISOString().replace("Z", "000Z"); // MicroTime has six digits
    const isOurs = lease?.spec?.holderIdentity === this.#options.identity;
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: Math.ceil(this.#durationMs / 1000),
      acquireTime: isOurs ? lease?.spec?.acquireTime : nowText,
      renewTime: nowText,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (lease && !isOurs ? 1 : 0),
    };
  }

  #holdFrom(claimedAtMs: number): void {
    this.#expiry?.cancel();
    const leftMs = claimedAtMs + this.#durationMs - this.#clock.monotonicMs();
    if (leftMs > 0) this.#expiry = this.#clock.schedule(leftMs, () => this.#become(false));
    this.#become(leftMs > 0 && !this.#isStopped);
  }

  #become(isLeader: boolean): void {
    if (!isLeader) this.#expiry?.cancel();
    if (this.#isLeader === isLeader) return;
    this.#isLeader = isLeader;
    this.#log.info(isLeader ? "Became leader" : "Is no longer leader");
    this.#options.onChange?.(isLeader);
  }

  async #release(): Promise<void> {
    const { client, namespace, name, identity } = this.#options;
    const lease = await client.get(LEASES, name, namespace);
    if (lease?.spec?.holderIdentity !== identity) return;
    await client.update(LEASES, { ...lease, spec: { ...lease.spec, holderIdentity: "" } });
  }
}
