import type { Clock } from "#lib/clock";
import { formatAddress, type SocketAddress } from "#net/address";
import { dialTcp } from "#net/dial";
import type { TcpTransport } from "#net/tcp";
import { connectError } from "../connect-error.ts";
import type { InboundConfig } from "../env.ts";
import { RelayError } from "../errors.ts";
import { targetLabels } from "../metrics/labels.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import { HttpPool, type PoolObserver, type PoolOutcome } from "../pool/http-pool.ts";
import type { ClientConnectionOwner } from "../relay/exchange.ts";
import { Http1Client } from "../relay/http1-client.ts";
import { Http2ClientConnection } from "../relay/http2-client.ts";
import type { Ticker, Ticking } from "../relay/ticker.ts";

export interface ApplicationDeps {
  readonly config: InboundConfig;
  readonly clock: Clock;
  readonly metrics: ProxyMetrics;
  readonly ticker: Ticker;
}

export interface ApplicationOutcome {
  connected(transport: TcpTransport): void;
  failed(failure: RelayError): void;
}

/**
 * Connections to this pod's own application, plain, at the address that the client meant.
 * Limit: pools for `MAX_POOLS` addresses are kept; beyond that the one made first is closed.
 */
export class Application {
  readonly #deps: ApplicationDeps;
  readonly #pools = new Map<string, HttpPool>();

  constructor(deps: ApplicationDeps) {
    this.#deps = deps;
  }

  connect(address: SocketAddress, outcome: ApplicationOutcome): { cancel(): void } {
    const { config, clock, metrics } = this.#deps;
    if (address.port === config.listen[0].port) {
      const failure = new RelayError(
        "connect-refused",
        "proxy",
        "never",
        `Cannot connect to ${formatAddress(address)}: it is this proxy`,
      );
      queueMicrotask(() => outcome.failed(failure));
      return { cancel() {} };
    }
    const dial = {
      address,
      timeoutMs: config.connectTimeoutMs,
      keepAliveMs: config.connectKeepAliveMs,
      userTimeoutMs: config.connectUserTimeoutMs,
    };
    return dialTcp(dial, clock, {
      connected: (transport) => {
        transport.meter = metrics.transport({
          direction: "inbound",
          peer: "dst",
          ...targetLabels(address),
          tls: "no_identity",
          no_tls_reason: "loopback",
        });
        outcome.connected(transport);
      },
      failed: (failure) => outcome.failed(connectError(failure)),
    });
  }

  /** Finds the pools of one address without making their names again for each request. */
  pools(address: SocketAddress): (isHttp2: boolean) => HttpPool {
    const name = formatAddress(address);
    const [http1, http2] = [`1 ${name}`, `2 ${name}`];
    return (isHttp2) => this.#pool(isHttp2 ? http2 : http1, address, isHttp2);
  }

  #pool(key: string, address: SocketAddress, isHttp2: boolean): HttpPool {
    const known = this.#pools.get(key);
    if (known) return known;
    this.#makeRoom();
    const { config, clock } = this.#deps;
    const pool = new HttpPool({
      peer: formatAddress(address),
      isHttp2,
      dial: (owner, outcome) => this.#dialHttp(address, isHttp2, owner, outcome),
      clock,
      maxIdle: config.maxIdlePerEndpoint,
      idleMs: config.poolIdleMs,
      maxWaiters: config.queueCapacity,
      maxWaitMs: config.failfastMs,
      observer: UNOBSERVED,
    });
    this.#pools.set(key, pool);
    return pool;
  }

  #dialHttp(
    address: SocketAddress,
    isHttp2: boolean,
    owner: ClientConnectionOwner,
    outcome: PoolOutcome,
  ): { cancel(): void } {
    const { ticker, clock } = this.#deps;
    return this.connect(address, {
      connected: (transport) => {
        const ticked: ClientConnectionOwner = {
          available: (connection) => owner.available(connection),
          gone: (connection) => {
            ticker.remove(connection as unknown as Ticking);
            owner.gone(connection);
          },
        };
        const connection = isHttp2
          ? new Http2ClientConnection({ transport, owner: ticked, clock })
          : new Http1Client(transport, ticked);
        ticker.add(connection);
        outcome.connected(connection);
      },
      failed: (failure) => outcome.failed(failure),
    });
  }

  #makeRoom(): void {
    if (this.#pools.size < MAX_POOLS) return;
    for (const [key, pool] of this.#pools) {
      this.#pools.delete(key);
      pool.retire();
      return;
    }
  }
}

const MAX_POOLS = 512;

/** There is one application only: nobody chooses by how it does. */
const UNOBSERVED: PoolObserver = { connected() {}, connectFailed() {}, eased() {} };
