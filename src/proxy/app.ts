import { type Clock, systemClock, type Timer } from "#lib/clock";
import { createLog, type Log, type LogLevel } from "#lib/log";
import { type Random, systemRandom } from "#lib/random";
import type { SocketAddress } from "#net/address";
import { maxOpenFiles } from "#net/libc";
import { listenTcp, onHandlerFailure, type TcpListener, type TcpTransport } from "#net/tcp";
import { Live } from "./accept/live.ts";
import { AdminServer } from "./admin/server.ts";
import type { GrpcChannel } from "./control/channel.ts";
import { type ControlDeps, controlChannel } from "./control/dialer.ts";
import type { WatchDeps } from "./control/watch.ts";
import { type ControlAddress, levelOfFilter, type ProxyConfig } from "./env.ts";
import { certify } from "./identity/certify.ts";
import { Identity } from "./identity/identity.ts";
import { loadOrMakeKey } from "./identity/key.ts";
import { IdleRelease } from "./idle-release.ts";
import { Application } from "./inbound/application.ts";
import { InboundPolicies } from "./inbound/policies.ts";
import { InboundServer } from "./inbound/server.ts";
import { IdentitySeries } from "./metrics/identity-series.ts";
import { registerProcessSeries } from "./metrics/process-series.ts";
import { ProxyMetrics } from "./metrics/proxy-metrics.ts";
import { makeConcreteStore } from "./outbound/concrete/concrete-store.ts";
import { EndpointSets } from "./outbound/concrete/endpoint-sets.ts";
import { Discover } from "./outbound/discover.ts";
import { Connector } from "./outbound/endpoint/connector.ts";
import { HttpDialer } from "./outbound/endpoint/http-dialer.ts";
import { OutboundServer } from "./outbound/server.ts";
import { Ticker } from "./relay/ticker.ts";

export interface ProxyOptions {
  readonly config: ProxyConfig;
  /** The environment, for the admin endpoint that shows it. */
  readonly env: () => Readonly<Record<string, string>>;
  readonly readToken: () => string;
  readonly writeLog: (line: string) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Where the proxy listens, with the real ports. */
export interface BoundAddresses {
  readonly inbound: SocketAddress;
  readonly outbound: readonly SocketAddress[];
  readonly admin: SocketAddress;
}

/** The whole proxy, wired. `start` binds at once; connections are served from the first certificate on. */
export class ProxyApp {
  readonly config: ProxyConfig;
  readonly identity: Identity;
  readonly metrics = new ProxyMetrics();
  readonly log: Log;
  /** Resolves when somebody asked over the admin port that the proxy end. */
  readonly shutdownAsked: Promise<void>;
  readonly #askShutdown: () => void;
  readonly #options: ProxyOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #ticker: Ticker;
  readonly #idleRelease: IdleRelease;
  readonly #live = new Live();
  readonly #adminLive = new Live();
  readonly #channels: GrpcChannel[] = [];
  readonly #listeners: TcpListener[] = [];
  readonly #policies: InboundPolicies;
  readonly #discover: Discover;
  readonly #logFilter: { text: string; setLevel: (level: LogLevel | "off") => void };
  #adminListener: TcpListener | null = null;
  #retention: Timer | null = null;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.config = options.config;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#ticker = new Ticker(this.#clock);
    this.#idleRelease = new IdleRelease({
      clock: this.#clock,
      cpuMs: processorMs,
      collect: () => Bun.gc(true),
      shrink: () => {
        this.metrics.compact();
        Bun.shrink();
      },
    });
    const { config } = this;
    const log = createLog({
      level: config.log.level,
      format: config.log.format,
      write: options.writeLog,
      wallMs: () => this.#clock.wallMs(),
    });
    this.log = log;
    this.#logFilter = { text: config.log.filter, setLevel: (level) => log.setLevel(level) };
    const asked = Promise.withResolvers<void>();
    this.shutdownAsked = asked.promise;
    this.#askShutdown = asked.resolve;
    this.identity = this.#makeIdentity();
    const policyWatch = this.#watchDeps(config.policy);
    this.#policies = new InboundPolicies({ config, watch: policyWatch, clock: this.#clock, log });
    this.#discover = this.#makeDiscover(policyWatch);
    onHandlerFailure((failure) => this.ownMistake(failure));
    registerProcessSeries(this.metrics.registry, this.#clock, maxOpenFiles());
    this.#registerViewAge();
  }

  /** Counts and logs a mistake of this program. It goes on serving: others must not suffer for one connection. */
  ownMistake(failure: Error): void {
    this.metrics.count("proxy_unexpected_errors_total", "Mistakes of this program.", {});
    this.log.error("A mistake of this program", { stack: failure.stack ?? failure.message });
  }

  /**
   * Binds every listener at once, begins to ask for a certificate as soon as there is a key, and says where it listens.
   * Rejects when a port is taken or no key is to be had; then what it bound before serves on, so end the process.
   */
  async start(): Promise<BoundAddresses> {
    const { inbound, outbound, admin } = this.config;
    const gate = new StartGate(this.identity.ready);
    const inboundServer = this.#makeInbound();
    const outboundServer = this.#makeOutbound();
    const outboundListeners = outbound.listen.map((address) =>
      this.#listen(
        address,
        outbound,
        gate.guard((one) => outboundServer.accept(one)),
      ),
    );
    const inboundListener = this.#listen(
      inbound.listen[0],
      inbound,
      gate.guard((one) => inboundServer.accept(one)),
    );
    this.#adminListener = this.#listenAdmin(admin.listen);
    this.#listeners.push(...outboundListeners, inboundListener);
    const identified = this.identity.start();
    this.#idleRelease.start();
    this.#forgetIdleSeries();
    this.#policies.start();
    await identified;
    return {
      inbound: inboundListener.address,
      outbound: outboundListeners.map(({ address }) => address),
      admin: this.#adminListener.address,
    };
  }

  /** Stops accepting, lets live work finish until the grace period is over, then cuts. Admin answers until the end. */
  async drain(): Promise<void> {
    for (const listener of this.#listeners) listener.stop();
    const grace = Promise.withResolvers<void>();
    const timer = this.#clock.schedule(this.config.shutdownGraceMs, grace.resolve);
    await Promise.race([this.#live.drain(), grace.promise]);
    timer.cancel();
    this.stop();
  }

  /** Ends everything now. */
  stop(): void {
    for (const listener of this.#listeners) listener.stop();
    this.#adminListener?.stop();
    this.#live.destroy();
    this.#adminLive.destroy();
    this.identity.stop();
    this.#idleRelease.stop();
    this.#retention?.cancel();
    this.#policies.stop();
    this.#discover.stop();
    for (const channel of this.#channels) channel.close();
  }

  #makeIdentity(): Identity {
    const { config } = this;
    const { dir, localName } = config.identity;
    const deps = this.#controlDeps(config.identity.control);
    return new Identity({
      config: config.identity,
      loadKey: () => loadOrMakeKey(dir, localName),
      certify: (csr, token) =>
        certify(() => controlChannel(config.identity.control, deps), localName, csr, token, this.#clock),
      readToken: this.#options.readToken,
      clock: this.#clock,
      random: this.#random,
      log: this.log,
      observer: new IdentitySeries(this.metrics.registry, this.#clock),
    });
  }

  #makeDiscover(policyWatch: WatchDeps): Discover {
    const { config } = this;
    const clock = this.#clock;
    const random = this.#random;
    const connector = new Connector({
      config: config.outbound,
      localIps: config.inbound.ips,
      identity: this.identity,
      clock,
      metrics: this.metrics,
    });
    const profileWatch = this.#watchDeps(config.destination);
    const endpoints = new EndpointSets(profileWatch, config.destinationContext);
    const dialer = new HttpDialer(connector, clock, this.#ticker);
    return new Discover({
      config,
      profileWatch,
      policyWatch,
      clock,
      log: this.log,
      makeConcretes: () =>
        makeConcreteStore({ config, clock, random, connector, dialer, endpoints, metrics: this.metrics }),
    });
  }

  #makeInbound(): InboundServer {
    const { config, log, metrics, identity } = this;
    const common = { clock: this.#clock, random: this.#random, metrics, ticker: this.#ticker };
    const application = new Application({ ...common, config: config.inbound });
    return new InboundServer({
      ...common,
      config,
      log,
      identity,
      policies: this.#policies,
      application,
      live: this.#live,
    });
  }

  #makeOutbound(): OutboundServer {
    const { config, log, metrics } = this;
    return new OutboundServer({
      config,
      clock: this.#clock,
      random: this.#random,
      log,
      metrics,
      discover: this.#discover,
      live: this.#live,
      ticker: this.#ticker,
    });
  }

  #listen(
    address: SocketAddress,
    direction: ProxyConfig["inbound" | "outbound"],
    accept: (transport: TcpTransport) => void,
  ): TcpListener {
    return listenTcp({
      hostname: address.ip,
      port: address.port,
      backlog: direction.backlog ?? DEFAULT_BACKLOG,
      keepAliveMs: direction.acceptKeepAliveMs,
      userTimeoutMs: direction.acceptUserTimeoutMs,
      accept,
    });
  }

  #listenAdmin(address: SocketAddress): TcpListener {
    const { config, identity } = this;
    const admin = new AdminServer({
      config,
      clock: this.#clock,
      identity,
      policy: this.#policies.acquire(address.port),
      live: this.#adminLive,
      ticker: this.#ticker,
      isReady: () => identity.isReady,
      renderMetrics: () => this.metrics.registry.render(),
      shutdown: config.admin.isShutdownEnabled ? this.#askShutdown : undefined,
      env: this.#options.env,
      logFilter: { get: () => this.#logFilter.text, set: (filter) => this.#setLogFilter(filter) },
    });
    return listenTcp({
      hostname: address.ip,
      port: address.port,
      maxConnections: MAX_ADMIN_CONNECTIONS,
      accept: (one) => admin.accept(one),
    });
  }

  #setLogFilter(filter: string): string | undefined {
    if (filter === "" || !/^[\w=,:[\]{}."-]+$/.test(filter)) return `Cannot read the log filter "${filter}"`;
    this.#logFilter.text = filter;
    this.#logFilter.setLevel(levelOfFilter(filter));
    return undefined;
  }

  #watchDeps(address: ControlAddress): WatchDeps {
    const { streams, outbound, inbound } = this.config;
    const channel = controlChannel(address, this.#controlDeps(address));
    this.#channels.push(channel);
    const isLocal = address.identity === undefined;
    return {
      channel,
      clock: this.#clock,
      random: this.#random,
      backoff: isLocal ? inbound.connectBackoff : outbound.connectBackoff,
      limits: isLocal ? { initialMs: undefined, idleMs: undefined, lifetimeMs: undefined } : streams,
    };
  }

  #controlDeps(address: ControlAddress): ControlDeps {
    const { inbound, outbound } = this.config;
    return {
      identity: () => this.identity,
      clock: this.#clock,
      random: this.#random,
      metrics: this.metrics,
      connectTimeoutMs: address.identity === undefined ? inbound.connectTimeoutMs : outbound.connectTimeoutMs,
      onFailure: ({ host }, failure) =>
        this.log.warn("Cannot reach the control plane", { host, reason: failure.message }),
    };
  }

  #forgetIdleSeries(): void {
    this.#retention = this.#clock.schedule(Math.max(MIN_RETENTION_MS, this.config.metricsRetainIdleMs), () => {
      this.metrics.forgetIdle();
      this.#forgetIdleSeries();
    });
  }

  #registerViewAge(): void {
    const age = this.metrics.registry
      .gauge(
        "control_discovery_view_age_seconds",
        "Seconds since the control plane last spoke of a destination in use, when its stream is down.",
      )
      .series();
    this.metrics.registry.onRender(() => age.set(this.#discover.viewAgeMs() / 1000));
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Holds connections that come before the first certificate: accepted by the kernel, not yet served. */
class StartGate {
  #isOpen = false;
  #waiting: (() => void)[] = []; // the listener's connection cap bounds it

  constructor(ready: Promise<void>) {
    void ready.then(() => this.#open());
  }

  guard(accept: (transport: TcpTransport) => void): (transport: TcpTransport) => void {
    return (transport) => {
      if (this.#isOpen) {
        accept(transport);
        return;
      }
      transport.pause();
      this.#waiting.push(() => {
        if (transport.isClosed) return;
        transport.resume();
        accept(transport);
      });
    };
  }

  #open(): void {
    this.#isOpen = true;
    for (const serve of this.#waiting.splice(0)) serve();
  }
}

const MIN_RETENTION_MS = 1_000;
const DEFAULT_BACKLOG = 4096;
const MAX_ADMIN_CONNECTIONS = 256;
