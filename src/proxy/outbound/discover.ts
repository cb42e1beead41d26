import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import { formatAddress, parseIp, type SocketAddress } from "#net/address";
import { DestinationProfile, GetDestination } from "#proto/destination";
import { OutboundPolicy, TrafficSpec } from "#proto/outbound";
import { Watch, type WatchDeps } from "../control/watch.ts";
import type { ProxyConfig } from "../env.ts";
import { RelayError } from "../errors.ts";
import { writeAddress } from "../route/wire-values.ts";
import { plainEndpoint, readEndpoint } from "./endpoint/endpoint-info.ts";
import { type Concretes, compileOutbound, forwardPolicy, invalidPolicy } from "./logical/compile.ts";
import type { ClientPolicy } from "./logical/policy.ts";
import { applyProfile, hasProfileRoutes } from "./logical/profile.ts";

const GET_PROFILE = "/io.linkerd.proxy.destination.Destination/GetProfile";
const WATCH = "/io.linkerd.proxy.outbound.OutboundPolicies/Watch";

export interface DiscoverDeps {
  readonly config: ProxyConfig;
  readonly profileWatch: WatchDeps;
  readonly policyWatch: WatchDeps;
  readonly clock: Clock;
  readonly log: Log;
  /** Makes the store of one destination's concretes. */
  readonly makeConcretes: () => ConcreteStore;
}

/** Concretes of one destination: those that a new policy does not ask for again are closed. */
export interface ConcreteStore extends Concretes {
  begin(): void;
  /** Closes what was not asked for since `begin`. */
  sweep(): void;
  close(): void;
}

/** Hears when a destination is known, or that it will not be. */
export interface TargetListener {
  known(): void;
  failed(failure: RelayError): void;
}

/**
 * What is known of destinations, by the address that clients meant to reach. A destination is watched while it is in
 * use and a little longer; while the control plane is away nothing is forgotten.
 */
export class Discover {
  readonly #deps: DiscoverDeps;
  readonly #targets = new Map<string, Target>(); // destinations in use, and those idle for less than the idle time

  constructor(deps: DiscoverDeps) {
    this.#deps = deps;
  }

  acquire(dst: SocketAddress): Target {
    const key = formatAddress(dst);
    let target = this.#targets.get(key);
    if (!target) {
      target = new Target(dst, this.#deps, () => this.#targets.delete(key));
      this.#targets.set(key, target);
    }
    target.acquire();
    return target;
  }

  /** Milliseconds since the control plane last spoke about any destination in use; 0 without destinations. */
  viewAgeMs(): number {
    let oldestMs = 0;
    const nowMs = this.#deps.clock.monotonicMs();
    for (const target of this.#targets.values()) {
      if (!target.isConnected && target.heardAtMs >= 0) oldestMs = Math.max(oldestMs, nowMs - target.heardAtMs);
    }
    return oldestMs;
  }

  stop(): void {
    for (const target of this.#targets.values()) target.close();
    this.#targets.clear();
  }
}

/** One destination: its profile and policy as last heard, compiled. */
export class Target {
  readonly dst: SocketAddress;
  readonly #deps: DiscoverDeps;
  readonly #drop: () => void;
  readonly #concretes: ConcreteStore;
  readonly #profileWatch: Watch<DestinationProfile> | undefined;
  readonly #policyWatch: Watch<Uint8Array>;
  #profile: DestinationProfile | "none" | "unknown" = "unknown";
  #policy: Uint8Array | "none" | "unknown" = "unknown"; // as it came: a tenth of what it takes when it is read
  #refusal: string | undefined;
  #current: ClientPolicy | undefined;
  readonly #waiting = new Set<TargetListener>();
  #userCount = 0;
  #idle: Timer | null = null;
  #deadline: Timer | null = null;

  constructor(dst: SocketAddress, deps: DiscoverDeps, drop: () => void) {
    this.dst = dst;
    this.#deps = deps;
    this.#drop = drop;
    this.#concretes = deps.makeConcretes();
    this.#policyWatch = this.#watchPolicy();
    this.#profileWatch = this.#watchProfile();
    this.#policyWatch.start();
    this.#profileWatch?.start();
  }

  /** The compiled policy; undefined before it is known. */
  get current(): ClientPolicy | undefined {
    return this.#current;
  }

  /** Whether the service says that clients of this destination are not to be looked at. */
  get isOpaque(): boolean {
    return typeof this.#profile === "object" && this.#profile.opaqueProtocol;
  }

  get isConnected(): boolean {
    return this.#policyWatch.isConnected || (this.#profileWatch?.isConnected ?? false);
  }

  get #isAway(): boolean {
    return this.#policyWatch.isAway || (this.#profileWatch?.isAway ?? false);
  }

  get heardAtMs(): number {
    return Math.max(this.#policyWatch.heardAtMs, this.#profileWatch?.heardAtMs ?? -1);
  }

  acquire(): void {
    this.#userCount++;
    this.#idle?.cancel();
    this.#idle = null;
  }

  release(): void {
    if (--this.#userCount === 0) this.#idleOut();
  }

  /** Tells the listener at once when the destination is known, else later. */
  whenKnown(listener: TargetListener): void {
    if (this.#current) {
      listener.known();
      return;
    }
    this.#waiting.add(listener);
    this.#deadline ??= this.#deps.clock.schedule(DISCOVERY_TIMEOUT_MS, () => this.#giveUp());
  }

  cancelWait(listener: TargetListener): void {
    this.#waiting.delete(listener);
  }

  close(): void {
    this.#idle?.cancel();
    this.#deadline?.cancel();
    this.#policyWatch.stop();
    this.#profileWatch?.stop();
    this.#concretes.close();
  }

  #watchPolicy(): Watch<Uint8Array> {
    const { config, policyWatch } = this.#deps;
    const request: TrafficSpec = {
      sourceWorkload: config.policyWorkload,
      target: { $case: "addr", value: writeAddress(this.dst) },
    };
    return new Watch(policyWatch, {
      path: WATCH,
      request: TrafficSpec.encode(request).finish(),
      decode: (bytes) => {
        OutboundPolicy.decode(bytes); // throws when it is none
        return bytes;
      },
      message: (policy) => {
        this.#policy = policy;
        this.#changed();
      },
      missing: () => {
        this.#policy = "none";
        this.#changed();
      },
      refused: (status) => {
        this.#refusal = status.message;
        this.#policy = "none";
        this.#changed();
      },
    });
  }

  #watchProfile(): Watch<DestinationProfile> | undefined {
    const { config, profileWatch } = this.#deps;
    const ip = parseIp(this.dst.ip)!;
    if (!config.profileNetworks.some((network) => network.contains(ip))) {
      this.#profile = "none";
      return undefined;
    }
    const request = { scheme: "", path: formatAddress(this.dst), contextToken: config.destinationContext };
    return new Watch(profileWatch, {
      path: GET_PROFILE,
      request: GetDestination.encode(request).finish(),
      decode: (bytes) => DestinationProfile.decode(bytes),
      message: (profile) => {
        this.#profile = profile;
        this.#changed();
      },
      missing: () => {
        this.#profile = "none";
        this.#changed();
      },
      refused: () => {
        this.#profile = "none";
        this.#changed();
      },
    });
  }

  #changed(): void {
    if (this.#profile === "unknown" || this.#policy === "unknown") return;
    this.#concretes.begin();
    this.#current = this.#compile();
    this.#concretes.sweep();
    if (this.#current.invalid) {
      this.#deps.log.warn("Cannot follow the policy of a destination", {
        dst: formatAddress(this.dst),
        reason: this.#current.invalid,
      });
    }
    this.#deadline?.cancel();
    this.#deadline = null;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const listener of waiting) listener.known();
  }

  #compile(): ClientPolicy {
    const policy = this.#compilePolicy();
    if (policy.invalid || typeof this.#profile !== "object" || !hasProfileRoutes(this.#profile)) return policy;
    try {
      return applyProfile(policy, this.#profile, this.dst.port, this.#concretes, this.#deps.clock);
    } catch (cause) {
      return invalidPolicy(`invalid service profile: ${(cause as Error).message}`);
    }
  }

  #compilePolicy(): ClientPolicy {
    if (typeof this.#policy === "object") return compileOutbound(OutboundPolicy.decode(this.#policy), this.#concretes);
    if (this.#refusal) this.#deps.log.debug("No policy for a destination", { reason: this.#refusal });
    const endpoint =
      typeof this.#profile === "object" && this.#profile.endpoint
        ? readEndpoint(this.#profile.endpoint, {})
        : undefined;
    if (endpoint) return forwardPolicy(endpoint, "endpoint", this.#concretes);
    return forwardPolicy(plainEndpoint(this.dst), "fallback", this.#concretes);
  }

  #giveUp(): void {
    this.#deadline = null;
    const missing = [this.#policy === "unknown" ? "policy" : "", this.#profile === "unknown" ? "destination" : ""];
    const failure = new RelayError(
      "fail-fast",
      "proxy",
      "safe",
      `${formatAddress(this.dst)}: nothing known after ${DISCOVERY_TIMEOUT_MS} ms: no answer from ${missing.filter(Boolean).join(" and ")}`,
    );
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const listener of waiting) listener.failed(failure);
  }

  #idleOut(): void {
    this.#idle = this.#deps.clock.schedule(this.#deps.config.outbound.discoveryIdleMs, () => {
      if (this.#current && this.#isAway) {
        this.#idleOut(); // the control plane is away: what is known now could not be learnt again
        return;
      }
      this.close();
      this.#drop();
    });
  }
}

/** How long a client waits for a destination that nothing is known of. */
const DISCOVERY_TIMEOUT_MS = 10_000;
