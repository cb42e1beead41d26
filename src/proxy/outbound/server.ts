import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import { formatAddress, type SocketAddress } from "#net/address";
import { originalDst } from "#net/original-dst";
import type { TcpTransport } from "#net/tcp";
import type { EarlyServer } from "../accept/detect.ts";
import { Detection } from "../accept/detect.ts";
import { HeldClient } from "../accept/held-client.ts";
import type { Live } from "../accept/live.ts";
import { serveHttp } from "../accept/serve-http.ts";
import type { ProxyConfig } from "../env.ts";
import type { RelayError } from "../errors.ts";
import { errorLabel } from "../metrics/error-label.ts";
import { targetLabels } from "../metrics/labels.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { Ticker } from "../relay/ticker.ts";
import type { Discover, Target } from "./discover.ts";
import type { ConnectOutcome } from "./endpoint/connector.ts";
import { type InFlight, OutboundHttp } from "./logical/http.ts";
import { connectByRule, relayOpaque } from "./logical/opaque.ts";
import { ruleForTls } from "./logical/tls-route.ts";

export interface OutboundDeps {
  readonly config: ProxyConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  readonly discover: Discover;
  readonly live: Live;
  readonly ticker: Ticker;
}

/**
 * Serves connections that applications of this pod open: finds out where they were headed, what the mesh knows of that
 * place, and what the client speaks.
 */
export class OutboundServer {
  readonly #deps: OutboundDeps;
  readonly #inFlight: InFlight = { count: 0 };

  constructor(deps: OutboundDeps) {
    this.#deps = deps;
  }

  accept(transport: TcpTransport): void {
    const dst = originalDst(transport);
    if (this.#isOurs(dst)) {
      transport.terminate(); // not redirected: relaying to ourselves would never end
      return;
    }
    transport.meter = this.#deps.metrics.transport({
      direction: "outbound",
      peer: "src",
      ...targetLabels(dst),
      tls: "no_identity",
      no_tls_reason: "loopback",
    });
    const client = new HeldClient(transport);
    const target = this.#deps.discover.acquire(dst);
    const done = once(() => target.release());
    const listener = {
      known: () => this.#decide(client, target, done),
      failed: (failure: RelayError) => {
        this.#refuse(client, failure);
        done();
      },
    };
    client.onGone(() => {
      target.cancelWait(listener);
      done();
    });
    target.whenKnown(listener);
  }

  #decide(client: HeldClient, target: Target, done: () => void): void {
    const policy = target.current!;
    const protocol = target.isOpaque ? "opaque" : policy.protocol;
    if (protocol === "opaque") this.#opaque(client, null, target, done);
    else if (protocol === "tls") this.#tls(client, target, done);
    else this.#detect(client, target, done);
  }

  /** Declared HTTP is detected as well, but never dialled early: its rules must see every request. */
  #detect(client: HeldClient, target: Target, done: () => void): void {
    const canDialEarly = target.current!.protocol === "detect" && target.current!.opaque !== undefined;
    client.onGone(() => done());
    new Detection({
      client,
      clock: this.#deps.clock,
      timeoutMs: this.#deps.config.outbound.detectTimeoutMs,
      dialEarly: canDialEarly ? (connected) => this.#connect(target, { connected, failed() {} }) : null,
      decided: (kind, early) => {
        if (kind === "other") this.#opaque(client, early, target, done);
        else this.#http(client, kind === "http2", target, done);
      },
    }).start();
  }

  #http(client: HeldClient, isHttp2: boolean, target: Target, done: () => void): void {
    const { clock, random, metrics, config, live, ticker } = this.#deps;
    const { emitsErrorHeaders, maxInFlight, http2 } = config.outbound;
    const handler = new OutboundHttp(
      target,
      { clock, random, metrics, emitsDetail: emitsErrorHeaders, maxInFlight },
      this.#inFlight,
    );
    serveHttp(client, { isHttp2, handler, emitsDetail: emitsErrorHeaders, clock, ticker, live, http2, onClosed: done });
  }

  #opaque(client: HeldClient, early: EarlyServer | null, target: Target, done: () => void): void {
    const left = this.#deps.live.add({ drain() {}, destroy: () => client.transport.terminate() });
    relayOpaque(
      client,
      early,
      (outcome) => this.#connect(target, outcome),
      (failure) => {
        left();
        done();
        if (failure) this.#count(failure, target.dst);
      },
    );
  }

  #tls(client: HeldClient, target: Target, done: () => void): void {
    client.onGone(() => done());
    client.onSpeak(() => {
      const rule = ruleForTls(target.current!, client.first);
      relayOpaque(
        client,
        null,
        (outcome) => connectByRule(rule, this.#deps.random, outcome),
        (failure) => {
          done();
          if (failure) this.#count(failure, target.dst);
        },
      );
    });
  }

  #connect(target: Target, outcome: ConnectOutcome): { cancel(): void } {
    return connectByRule(target.current?.opaque, this.#deps.random, outcome);
  }

  #refuse(client: HeldClient, failure: RelayError): void {
    client.take();
    client.transport.terminate();
    this.#deps.log.warn("Outbound connection refused", { reason: failure.message });
    this.#deps.metrics.count("outbound_tcp_errors_total", "Connections that failed, by cause.", {
      error: errorLabel(failure) ?? "unexpected",
    });
  }

  #count(failure: RelayError, dst: SocketAddress): void {
    this.#deps.log.info("Outbound connection failed", { dst: formatAddress(dst), reason: failure.message });
    this.#deps.metrics.count("outbound_tcp_errors_total", "Connections that failed, by cause.", {
      error: errorLabel(failure) ?? "unexpected",
    });
  }

  #isOurs(dst: SocketAddress): boolean {
    return this.#deps.config.outbound.listen.some(({ ip, port }) => port === dst.port && ip === dst.ip);
  }
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
