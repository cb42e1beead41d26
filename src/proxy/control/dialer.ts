import type { Clock } from "#lib/clock";
import type { Random } from "#lib/random";
import type { SocketAddress } from "#net/address";
import { dialTcp } from "#net/dial";
import { resolveControl } from "#net/dns";
import type { ControlAddress } from "../env.ts";
import type { Identity } from "../identity/identity.ts";
import { type TlsState, tlsLabels } from "../metrics/labels.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { GrpcChannel } from "./channel.ts";
import { countedChannel } from "./counted-channel.ts";
import { GrpcClient, type TransportDialer } from "./grpc-client.ts";

export interface ControlDeps {
  readonly identity: () => Identity;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ProxyMetrics;
  readonly connectTimeoutMs: number;
  /** Called with what went wrong each time a connection could not be made. */
  readonly onFailure: (address: ControlAddress, failure: Error) => void;
}

/** A channel to one control-plane program: the name is resolved for each connection, one answer is taken by chance. */
export function controlChannel(address: ControlAddress, deps: ControlDeps): GrpcChannel {
  const host = address.host.replace(/\.$/, "");
  const client = new GrpcClient({
    dial: controlDialer(address, deps),
    authority: address.port === 80 ? host : `${host}:${address.port}`,
    scheme: "http",
    clock: deps.clock,
    keepAlive: { intervalMs: 10_000, timeoutMs: 3_000, whileIdle: true },
  });
  const labels = { addr: `${address.host}:${address.port}`, ...tlsLabels(tlsState(address), "server") };
  return countedChannel(client, deps.metrics, labels, deps.clock);
}

function controlDialer(address: ControlAddress, deps: ControlDeps): TransportDialer {
  return (outcome) => {
    let isCancelled = false;
    let dial: { cancel(): void } | null = null;
    const fail = (failure: Error) => {
      deps.onFailure(address, failure);
      outcome.failed(failure);
    };
    const connect = (found: readonly SocketAddress[]) => {
      if (isCancelled) return;
      const one = found[Math.floor(deps.random.next() * found.length)];
      dial = dialTcp(
        { address: one, timeoutMs: deps.connectTimeoutMs, keepAliveMs: 10_000, tls: clientTls(address, deps) },
        deps.clock,
        {
          connected: (transport) => {
            const labels = tlsLabels(tlsState(address), "server");
            transport.meter = deps.metrics.transport({
              direction: "outbound",
              peer: "dst",
              target_addr: `${address.host}:${address.port}`,
              ...labels,
            });
            outcome.connected(transport);
          },
          failed: fail,
        },
      );
    };
    resolveControl(address.host, address.port).then(connect, (cause: Error) => {
      if (!isCancelled) fail(cause);
    });
    return {
      cancel() {
        isCancelled = true;
        dial?.cancel();
      },
    };
  };
}

function tlsState({ identity }: ControlAddress): TlsState {
  return identity === undefined ? { kind: "none", reason: "loopback" } : { kind: "mesh", peerId: identity };
}

function clientTls({ identity }: ControlAddress, deps: ControlDeps) {
  if (identity === undefined) return undefined;
  return { files: deps.identity().files, serverName: identity, expectedId: identity, alpn: [] };
}
