import { ALPN_TRANSPORT_HEADER } from "#contracts/alpn";
import type { Clock } from "#lib/clock";
import type { Log } from "#lib/log";
import type { Random } from "#lib/random";
import { formatAddress, parseIp, type SocketAddress } from "#net/address";
import { originalDst } from "#net/original-dst";
import type { TcpTransport } from "#net/tcp";
import { Detection, type EarlyServer } from "../accept/detect.ts";
import { HeldClient } from "../accept/held-client.ts";
import type { Live } from "../accept/live.ts";
import { serveHttp } from "../accept/serve-http.ts";
import { type PeekResult, TlsPeek } from "../accept/tls-peek.ts";
import { readTransportHeader } from "../accept/transport-header.ts";
import { authorize } from "../authorize/authorization.ts";
import type { ProxyConfig } from "../env.ts";
import type { Identity } from "../identity/identity.ts";
import { BoundedLabel } from "../metrics/bounded-label.ts";
import { metaLabels, type TlsState, targetLabels, tlsLabels } from "../metrics/labels.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { Ticker } from "../relay/ticker.ts";
import type { Application } from "./application.ts";
import { forwardOpaque } from "./forward.ts";
import { type InboundConnection, InboundHttp } from "./http.ts";
import type { InboundPolicies } from "./policies.ts";
import type { ServerPolicy } from "./policy.ts";

export interface InboundDeps {
  readonly config: ProxyConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  readonly identity: Identity;
  readonly policies: InboundPolicies;
  readonly application: Application;
  readonly live: Live;
  readonly ticker: Ticker;
}

/**
 * Serves connections that others open to this pod:
 *
 *   accept -> made to the proxy's own port? -> mesh TLS, transport header -> (header's port)
 *          -> policy of the port -> opaque? forward
 *          -> peek: TLS for us? terminate it : someone else's? forward it whole : plain
 *          -> HTTP? authorize each request : authorize the connection, forward
 */
export class InboundServer {
  readonly #deps: InboundDeps;
  readonly #inFlight = { count: 0 };
  readonly #snis = new BoundedLabel(MAX_SNIS);

  constructor(deps: InboundDeps) {
    this.#deps = deps;
  }

  accept(transport: TcpTransport): void {
    const { config, policies } = this.#deps;
    const target = originalDst(transport);
    if (config.inbound.ips.length > 0 && !config.inbound.ips.includes(target.ip)) {
      this.#refuse(transport, target, `inbound connections are not allowed on this IP address (${target.ip})`);
      return;
    }
    if (target.port === config.inbound.listen[0].port) {
      this.#acceptDirect(transport, target);
      return;
    }
    const policy = policies.acquire(target.port);
    const client = new HeldClient(transport);
    client.onGone(() => policy.release());
    const connection = (tls: TlsState): InboundConnection => ({ client: clientOf(transport), tls, target, policy });
    if (policy.current.protocol === "opaque") {
      this.#opaque(client, null, connection({ kind: "none", reason: "port_skipped" }));
    } else this.#peek(client, connection);
  }

  /** Finds out whether the client speaks TLS. A silent one may wait for the application to begin, see `Detection`. */
  #peek(client: HeldClient, connection: (tls: TlsState) => InboundConnection): void {
    const plain = connection({ kind: "none", reason: "no_tls_from_remote" });
    const policy = plain.policy.current;
    const peek = new TlsPeek(client.transport, this.#deps.clock, (result) => {
      if (result.kind === "tls") {
        detection.cancel();
        this.#tls(client, result, connection);
      } else client.transport.resume();
    });
    const detection = this.#detection(
      client,
      plain,
      policy.detectTimeoutMs || this.#deps.config.inbound.detectTimeoutMs,
    );
    client.onGone(() => {
      peek.cancel();
      plain.policy.release();
    });
    peek.start();
    detection.start(() => peek.cancel());
  }

  /** What a client speaks that is not, or no longer, wrapped in TLS. */
  #detection(client: HeldClient, connection: InboundConnection, timeoutMs: number): StartedDetection {
    const policy = connection.policy.current;
    const detection = new Detection({
      client,
      clock: this.#deps.clock,
      timeoutMs,
      isStrict: policy.hasRouteRules && policy.protocol === "detect",
      dialEarly: this.#canDialEarly(connection, policy)
        ? (connected) => this.#deps.application.connect(connection.target, { connected, failed() {} })
        : null,
      decided: (kind, early) => {
        started.decided();
        const declared = declaredVersion(policy, connection.tls);
        if (policy.protocol === "tls") this.#opaque(client, early, connection);
        else if (declared && client.hasSpoken) this.#http(client, declared === "http2", connection);
        else if (kind === "other") this.#opaque(client, early, connection);
        else this.#http(client, kind === "http2", connection);
      },
    });
    const started = new StartedDetection(detection, client);
    return started;
  }

  /** Only when the connection itself is allowed, and no rule or limit of a route says more than that. */
  #canDialEarly(connection: InboundConnection, policy: ServerPolicy): boolean {
    const mayForward = policy.protocol === "detect" || policy.protocol === "tls";
    return mayForward && !policy.hasRouteRules && authorize(policy.grants, connection.client) !== undefined;
  }

  #tls(
    client: HeldClient,
    result: PeekResult & { kind: "tls" },
    connection: (tls: TlsState) => InboundConnection,
  ): void {
    const { identity } = this.#deps;
    if (result.sni !== identity.name || !identity.isReady) {
      const passed = connection({ kind: "passthrough", sni: this.#snis.of(result.sni ?? "") });
      client.transport.resume();
      this.#opaque(client, null, passed);
      return;
    }
    client.take();
    this.#terminate(client.transport, [], passedOn(connection).policy.release, (id) => {
      const secured = connection({ kind: "mesh", peerId: id });
      const held = new HeldClient(client.transport);
      held.onGone(() => secured.policy.release());
      const timeoutMs = secured.policy.current.detectTimeoutMs || this.#deps.config.inbound.detectTimeoutMs;
      this.#detection(held, secured, timeoutMs).start(() => {});
    });
  }

  /** Ends mesh TLS here. Who shows a certificate that our roots do not vouch for is cut off. */
  #terminate(
    transport: TcpTransport,
    alpn: readonly string[],
    failed: () => void,
    done: (id: string | undefined) => void,
  ): void {
    const { identity, clock, config, log, metrics } = this.#deps;
    const timer = clock.schedule(config.inbound.detectTimeoutMs, () => transport.terminate());
    transport.handler = { data() {}, drain() {}, end() {}, closed() {} };
    transport.startTlsServer(identity.files, alpn, (failure, peer) => {
      timer.cancel();
      if (failure === undefined) {
        done(peer.id);
        return;
      }
      log.info("Inbound TLS handshake failed", { client: transport.remote.ip, reason: failure });
      metrics.count("inbound_tcp_errors_total", "Connections that failed, by cause.", {
        error: "i/o",
        ...targetLabels(transport.local),
      });
      transport.terminate();
      failed();
    });
  }

  /** A connection made to this proxy's own port: mesh TLS by contract, and a header that says what is wanted. */
  #acceptDirect(transport: TcpTransport, target: SocketAddress): void {
    const refuse = (reason: string) => this.#refuse(transport, target, reason);
    this.#terminate(
      transport,
      [ALPN_TRANSPORT_HEADER],
      () => {},
      (id) => {
        if (id === undefined) refuse("mutual authentication required");
        else if (transport.peer?.alpn !== ALPN_TRANSPORT_HEADER) refuse("transport header negotiation required");
        else this.#readHeader(transport, target, id, refuse);
      },
    );
  }

  #readHeader(transport: TcpTransport, target: SocketAddress, id: string, refuse: (reason: string) => void): void {
    const { clock, config, policies, metrics } = this.#deps;
    readTransportHeader(transport, clock, config.inbound.detectTimeoutMs, {
      failed: refuse,
      header: (header, rest) => {
        if (header.name !== "") {
          refuse("bad gateway domain"); // gateways: `name` is to go through the outbound stack
          return;
        }
        metrics.count("inbound_tcp_transport_header_connections_total", "Connections with a transport header.", {
          session_protocol: header.session ?? "",
          target_port: header.port,
          target_name: header.name,
          client_id: id,
        });
        const policy = policies.acquire(header.port);
        const held = new HeldClient(transport, rest);
        held.onGone(() => policy.release());
        const connection: InboundConnection = {
          client: clientOf(transport),
          tls: { kind: "mesh", peerId: id },
          target: { ip: target.ip, port: header.port },
          policy,
        };
        if (header.session) this.#http(held, header.session === "http2", connection);
        else this.#opaque(held, null, connection);
      },
    });
  }

  #http(client: HeldClient, isHttp2: boolean, connection: InboundConnection): void {
    const { clock, random, metrics, application, config, live, ticker } = this.#deps;
    const { maxInFlight, http2 } = config.inbound;
    this.#meter(client.transport, connection);
    const handler = new InboundHttp(connection, {
      clock,
      random,
      metrics,
      application,
      maxInFlight,
      inFlight: this.#inFlight,
    });
    const emitsDetail = connection.client.id !== undefined;
    const onClosed = () => connection.policy.release();
    serveHttp(client, { isHttp2, handler, emitsDetail, clock, ticker, live, http2, onClosed });
  }

  #opaque(client: HeldClient, early: EarlyServer | null, connection: InboundConnection): void {
    this.#meter(client.transport, connection);
    forwardOpaque(client, early, connection, this.#deps);
  }

  #meter(transport: TcpTransport, { target, tls, policy }: InboundConnection): void {
    transport.meter ??= this.#deps.metrics.transport({
      direction: "inbound",
      peer: "src",
      ...targetLabels(target),
      ...tlsLabels(tls, "client"),
      ...metaLabels("srv", policy.current.meta),
    });
  }

  #refuse(transport: TcpTransport, target: SocketAddress, reason: string): void {
    this.#deps.log.info("Inbound connection refused", {
      client: transport.remote.ip,
      target: formatAddress(target),
      reason,
    });
    this.#deps.metrics.count("inbound_tcp_errors_total", "Connections that failed, by cause.", {
      error: "unexpected",
      ...targetLabels(target),
    });
    transport.terminate();
  }
}

/** Names of other people's TLS that metrics tell apart. */
const MAX_SNIS = 64;

/** A detection whose end can be heard of from outside, for the peek that runs beside it. */
class StartedDetection {
  readonly #detection: Detection;
  readonly #client: HeldClient;
  #onDecided: () => void = () => {};
  #isOver = false;

  constructor(detection: Detection, client: HeldClient) {
    this.#detection = detection;
    this.#client = client;
  }

  start(onDecided: () => void): void {
    if (this.#isOver || this.#client.isGone) return;
    this.#onDecided = onDecided;
    this.#detection.start();
  }

  decided(): void {
    this.#isOver = true;
    this.#onDecided();
  }

  cancel(): void {
    this.#isOver = true;
    this.#detection.cancel();
  }
}

/** The version that policy declares. A meshed client of declared HTTP/1 may still send HTTP/2: that is looked at. */
function declaredVersion(policy: ServerPolicy, tls: TlsState): "http1" | "http2" | undefined {
  if (policy.protocol === "http2" || policy.protocol === "grpc") return "http2";
  return policy.protocol === "http1" && tls.kind === "none" ? "http1" : undefined;
}

function clientOf(transport: TcpTransport): InboundConnection["client"] {
  return { ip: parseIp(transport.remote.ip)!, isTls: transport.peer !== null, id: transport.peer?.id };
}

function passedOn(connection: (tls: TlsState) => InboundConnection): InboundConnection {
  return connection({ kind: "mesh", peerId: undefined });
}
