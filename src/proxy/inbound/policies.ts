import type { Clock, Timer } from "#lib/clock";
import type { Log } from "#lib/log";
import { PortSpec, Server } from "#proto/inbound";
import { Watch, type WatchDeps } from "../control/watch.ts";
import type { InboundConfig, ProxyConfig } from "../env.ts";
import { compileServer, defaultPolicy } from "./compile.ts";
import type { ServerPolicy } from "./policy.ts";

const WATCH_PORT = "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort";

/** The policy of one port, now and as it changes. */
export interface PortPolicy {
  readonly current: ServerPolicy;
  /** Runs on every change until the returned function is called. */
  onChange(changed: (policy: ServerPolicy) => void): () => void;
  /** The connection that asked is done. */
  release(): void;
}

export interface InboundPoliciesDeps {
  readonly config: ProxyConfig;
  readonly watch: WatchDeps;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Policies by port, each kept up to date by one stream. The default holds until the first message, after that the last
 * good message does, however long the control plane is away. Declared ports are watched for life, others until they
 * have been unused for a while.
 * Limit: `MAX_PORTS` ports are watched at a time. Beyond that an unused port makes room; when all are in use, further
 * ports are refused, for nobody knows what applies to them.
 */
export class InboundPolicies {
  readonly #deps: InboundPoliciesDeps;
  readonly #ports = new Map<number, WatchedPort>();

  constructor(deps: InboundPoliciesDeps) {
    this.#deps = deps;
  }

  /** Begins watching the ports that the workload declares, and the admin port. */
  start(): void {
    for (const port of this.#deps.config.inbound.ports) this.#port(port).pin();
    this.#port(this.#deps.config.admin.listen.port).pin();
  }

  acquire(port: number): PortPolicy {
    if (this.#ports.size >= MAX_PORTS && !this.#ports.has(port) && !this.#makeRoom()) return REFUSED;
    return this.#port(port).acquire();
  }

  stop(): void {
    for (const port of this.#ports.values()) port.stop();
    this.#ports.clear();
  }

  #port(port: number): WatchedPort {
    const known = this.#ports.get(port);
    if (known) return known;
    const made = new WatchedPort(port, this.#deps, () => this.#ports.delete(port));
    this.#ports.set(port, made);
    made.start();
    return made;
  }

  #makeRoom(): boolean {
    for (const [port, watched] of this.#ports) {
      if (watched.isUsed) continue;
      watched.stop();
      this.#ports.delete(port);
      return true;
    }
    return false;
  }
}

const MAX_PORTS = 512;
const REFUSED: PortPolicy = {
  current: defaultPolicy("deny", [], 0, true),
  onChange: () => () => {},
  release() {},
};

class WatchedPort {
  current: ServerPolicy;
  readonly #listeners = new Set<(policy: ServerPolicy) => void>();
  readonly #watch: Watch<Server>;
  readonly #deps: InboundPoliciesDeps;
  readonly #drop: () => void;
  #userCount = 0;
  #isPinned = false;
  #idle: Timer | null = null;

  constructor(port: number, deps: InboundPoliciesDeps, drop: () => void) {
    this.#deps = deps;
    this.#drop = drop;
    this.current = initialPolicy(port, deps.config.inbound, deps.config);
    this.#watch = new Watch(deps.watch, {
      path: WATCH_PORT,
      request: PortSpec.encode({ workload: deps.config.policyWorkload, port }).finish(),
      decode: (bytes) => Server.decode(bytes),
      message: (server) => this.#update(port, server),
    });
  }

  get isUsed(): boolean {
    return this.#isPinned || this.#userCount > 0;
  }

  start(): void {
    this.#watch.start();
  }

  stop(): void {
    this.#watch.stop();
    this.#idle?.cancel();
  }

  pin(): void {
    this.#isPinned = true;
  }

  acquire(): PortPolicy {
    this.#userCount++;
    this.#idle?.cancel();
    this.#idle = null;
    const watched = this;
    let isReleased = false;
    return {
      get current() {
        return watched.current;
      },
      onChange: (changed) => {
        this.#listeners.add(changed);
        return () => this.#listeners.delete(changed);
      },
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#released();
      },
    };
  }

  #update(port: number, server: Server): void {
    this.current = compileServer(server);
    if (this.current.invalid)
      this.#deps.log.warn("Cannot follow the policy of a port", { port, reason: this.current.invalid });
    for (const changed of this.#listeners) changed(this.current);
  }

  #released(): void {
    if (--this.#userCount > 0 || this.#isPinned) return;
    this.#idleOut();
  }

  #idleOut(): void {
    this.#idle = this.#deps.clock.schedule(this.#deps.config.inbound.discoveryIdleMs, () => {
      if (this.#watch.isAway && this.#watch.heardAtMs >= 0) {
        this.#idleOut(); // what is known now could not be learnt again, and the default may allow more
        return;
      }
      this.stop();
      this.#drop();
    });
  }
}

function initialPolicy(port: number, inbound: InboundConfig, config: ProxyConfig): ServerPolicy {
  return defaultPolicy(
    inbound.defaultPolicy,
    config.clusterNetworks,
    inbound.detectTimeoutMs,
    inbound.opaquePorts.has(port),
  );
}
