import { ALPN_TRANSPORT_HEADER } from "#contracts/alpn";
import type { Clock } from "#lib/clock";
import { isLoopback } from "#net/address";
import { dialTcp } from "#net/dial";
import type { TcpTransport } from "#net/tcp";
import { encodeTransportHeader } from "#transport-header";
import { connectError } from "../../connect-error.ts";
import type { OutboundConfig } from "../../env.ts";
import { RelayError } from "../../errors.ts";
import type { Identity } from "../../identity/identity.ts";
import { type TlsState, targetLabels, tlsLabels } from "../../metrics/labels.ts";
import type { ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import type { EndpointInfo } from "./endpoint-info.ts";

/** What is to be carried: decides what the transport header says. */
export type Session = "opaque" | "http1" | "http2";

export interface ConnectOutcome {
  connected(transport: TcpTransport): void;
  failed(failure: RelayError): void;
}

export interface ConnectorDeps {
  readonly config: OutboundConfig;
  /** The pod's own addresses. */
  readonly localIps: readonly string[];
  readonly identity: Identity;
  readonly clock: Clock;
  readonly metrics: ProxyMetrics;
}

/**
 * Makes connections to endpoints: plain, or mesh TLS to exactly the expected identity; through the peer proxy's own
 * port with a transport header where the endpoint asks for it.
 */
export class Connector {
  readonly #deps: ConnectorDeps;

  constructor(deps: ConnectorDeps) {
    this.#deps = deps;
  }

  /** Whether the endpoint is this very pod: then no TLS and no header. */
  isLocal(info: EndpointInfo): boolean {
    return this.#deps.localIps.includes(info.address.ip);
  }

  tlsState(info: EndpointInfo): TlsState {
    if (this.isLocal(info)) return { kind: "none", reason: "loopback" };
    if (info.identity) return { kind: "mesh", peerId: info.identity.id };
    return { kind: "none", reason: "not_provided_by_service_discovery" };
  }

  /** The labels of everything that is counted for this endpoint. */
  labels(info: EndpointInfo): Record<string, string | number> {
    const dst: Record<string, string> = {};
    for (const [name, value] of Object.entries(info.labels)) dst[`dst_${name}`] = value;
    return {
      direction: "outbound",
      ...targetLabels(info.address),
      ...tlsLabels(this.tlsState(info), "server"),
      ...dst,
    };
  }

  connect(info: EndpointInfo, session: Session, outcome: ConnectOutcome): { cancel(): void } {
    if (isLoopback(info.address.ip)) {
      const failure = new RelayError(
        "connect-refused",
        "server",
        "safe",
        `Cannot connect to ${info.address.ip}: loopback is never an endpoint`,
      );
      queueMicrotask(() => outcome.failed(failure));
      return { cancel() {} };
    }
    const { config, clock, identity, metrics } = this.#deps;
    const isMeshed = info.identity !== undefined && !this.isLocal(info);
    const usesHeader = isMeshed && (info.transportPort !== undefined || info.authority !== undefined);
    const port = usesHeader && !info.authority ? (info.transportPort ?? info.address.port) : info.address.port;
    const tls = isMeshed
      ? {
          files: identity.files,
          serverName: info.identity!.serverName,
          expectedId: info.identity!.id,
          alpn: usesHeader ? [ALPN_TRANSPORT_HEADER] : [],
        }
      : undefined;
    const dial = {
      address: { ip: info.address.ip, port },
      timeoutMs: config.connectTimeoutMs,
      keepAliveMs: config.connectKeepAliveMs,
      userTimeoutMs: config.connectUserTimeoutMs,
      tls,
    };
    return dialTcp(dial, clock, {
      connected: (transport) => {
        transport.meter = metrics.transport({ peer: "dst", ...this.labels(info) });
        if (transport.peer?.alpn === ALPN_TRANSPORT_HEADER) writeHeader(transport, info, session);
        outcome.connected(transport);
      },
      failed: (failure) => outcome.failed(connectError(failure)),
    });
  }
}

/** A fresh connection takes the few dozen bytes of a header at once. */
function writeHeader(transport: TcpTransport, info: EndpointInfo, session: Session): void {
  const named = info.authority?.port !== undefined ? info.authority : undefined;
  const bytes = encodeTransportHeader({
    port: named?.port ?? info.address.port,
    name: named?.host ?? "",
    session: session !== "opaque" && info.hint !== "opaque" ? session : undefined,
  });
  transport.write(bytes, 0, bytes.length);
}
