import type { Log } from "#lib/log";
import { formatAddress } from "#net/address";
import type { EarlyServer } from "../accept/detect.ts";
import type { HeldClient } from "../accept/held-client.ts";
import type { Live } from "../accept/live.ts";
import { authorize } from "../authorize/authorization.ts";
import { metaLabels, targetLabels, tlsLabels } from "../metrics/labels.ts";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import { NOTHING_EARLY, OpaqueRelay } from "../relay/opaque.ts";
import type { Application } from "./application.ts";
import type { InboundConnection } from "./http.ts";
import type { ServerPolicy } from "./policy.ts";

export interface ForwardDeps {
  readonly application: Application;
  readonly metrics: ProxyMetrics;
  readonly log: Log;
  readonly live: Live;
}

/** Passes a connection on to the application when policy allows it, for as long as policy allows it. */
export function forwardOpaque(
  client: HeldClient,
  early: EarlyServer | null,
  connection: InboundConnection,
  deps: ForwardDeps,
): void {
  if (client.isGone || !isAllowed(connection, deps)) {
    early?.transport.terminate();
    client.take();
    client.transport.terminate();
    connection.policy.release();
    return;
  }
  const left = deps.live.add({ drain() {}, destroy: () => client.transport.terminate() });
  const unsubscribe = connection.policy.onChange((policy) => {
    if (mayForward(policy, connection)) return;
    count(deps.metrics, "terminate", policy, connection, {});
    client.transport.terminate();
  });
  const finished = () => {
    left();
    unsubscribe();
    connection.policy.release();
  };
  if (early) {
    const relay = new OpaqueRelay(client.transport, early.transport, finished);
    relay.start(client.take(), { chunks: early.chunks, hasEnded: early.hasEnded });
    return;
  }
  const dial = deps.application.connect(connection.target, {
    connected: (transport) => {
      new OpaqueRelay(client.transport, transport, finished).start(client.take(), NOTHING_EARLY);
    },
    failed: (failure) => {
      deps.log.info("Cannot reach the application", {
        target: formatAddress(connection.target),
        reason: failure.message,
      });
      client.take();
      client.transport.terminate();
      finished();
    },
  });
  client.onGone(() => {
    dial.cancel();
    finished();
  });
}

/** HTTP policies grant requests, not connections. */
function mayForward(policy: ServerPolicy, { client }: InboundConnection): boolean {
  const isHttpOnly = policy.protocol === "http1" || policy.protocol === "http2" || policy.protocol === "grpc";
  return !isHttpOnly && policy.invalid === undefined && authorize(policy.grants, client) !== undefined;
}

function isAllowed(connection: InboundConnection, deps: ForwardDeps): boolean {
  const policy = connection.policy.current;
  const grant = mayForward(policy, connection) ? authorize(policy.grants, connection.client) : undefined;
  count(deps.metrics, grant ? "allow" : "deny", policy, connection, grant ? metaLabels("authz", grant.meta) : {});
  if (!grant) {
    deps.log.info("Inbound connection denied", {
      client: connection.client.id ?? "unmeshed",
      target: formatAddress(connection.target),
      server: policy.meta.name,
    });
  }
  return grant !== undefined;
}

function count(
  metrics: ProxyMetrics,
  what: "allow" | "deny" | "terminate",
  policy: ServerPolicy,
  { target, tls }: InboundConnection,
  authz: Record<string, string | number>,
): void {
  metrics.count(`inbound_tcp_authz_${what}_total`, "Connections by what policy decided.", {
    ...targetLabels(target),
    ...tlsLabels(tls, "client"),
    ...metaLabels("srv", policy.meta),
    ...authz,
  });
}
