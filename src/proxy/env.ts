import type { BackoffOptions } from "#lib/backoff";
import type { LogLevel } from "#lib/log";
import type { IpNetwork, SocketAddress } from "#net/address";
import { EnvReader } from "./env-reader.ts";
import { type NameSuffixes, readSuffixes } from "./name-suffixes.ts";
import type { PortSet } from "./port-set.ts";

/** Where a control-plane program answers, and who it must be. `identity` is undefined for loopback: no TLS there. */
export interface ControlAddress {
  readonly host: string;
  readonly port: number;
  readonly identity: string | undefined;
}

export type DefaultPolicy =
  | "deny"
  | "all-authenticated"
  | "all-unauthenticated"
  | "cluster-authenticated"
  | "cluster-unauthenticated"
  | "audit";

export interface Http2ServerConfig {
  readonly keepAliveIntervalMs: number | undefined;
  readonly keepAliveTimeoutMs: number;
  readonly maxConcurrentStreams: number | undefined;
}

/** What inbound and outbound have in common. */
export interface DirectionConfig {
  readonly listen: readonly SocketAddress[];
  readonly backlog: number | undefined;
  readonly detectTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly acceptKeepAliveMs: number | undefined;
  readonly acceptUserTimeoutMs: number | undefined;
  readonly connectKeepAliveMs: number | undefined;
  readonly connectUserTimeoutMs: number | undefined;
  readonly connectBackoff: BackoffOptions;
  readonly queueCapacity: number;
  readonly failfastMs: number;
  readonly maxInFlight: number;
  readonly maxIdlePerEndpoint: number;
  readonly poolIdleMs: number;
  readonly discoveryIdleMs: number;
  readonly http2: Http2ServerConfig;
}

export interface InboundConfig extends DirectionConfig {
  readonly defaultPolicy: DefaultPolicy;
  readonly ports: readonly number[];
  readonly opaquePorts: PortSet;
  readonly gatewaySuffixes: NameSuffixes;
  /** The pod's own addresses; empty accepts any. */
  readonly ips: readonly string[];
}

export interface OutboundConfig extends DirectionConfig {
  readonly isIngress: boolean;
  readonly emitsErrorHeaders: boolean;
  readonly hasHostnameLabels: boolean;
}

/** Everything the proxy was told, complete and unchanging. */
export interface ProxyConfig {
  readonly inbound: InboundConfig;
  readonly outbound: OutboundConfig;
  readonly admin: { readonly listen: SocketAddress; readonly isShutdownEnabled: boolean };
  readonly tap: { readonly listen: SocketAddress; readonly identity: string | undefined };
  readonly shutdownGraceMs: number;
  readonly metricsRetainIdleMs: number;
  readonly destination: ControlAddress;
  readonly policy: ControlAddress;
  readonly destinationContext: string;
  readonly profileSuffixes: NameSuffixes;
  readonly profileNetworks: readonly IpNetwork[];
  readonly policyWorkload: string;
  readonly clusterNetworks: readonly IpNetwork[];
  readonly streams: {
    readonly initialMs: number | undefined;
    readonly idleMs: number | undefined;
    readonly lifetimeMs: number | undefined;
  };
  readonly identity: IdentityConfig;
  readonly log: { readonly filter: string; readonly level: LogLevel | "off"; readonly format: "plain" | "json" };
}

export interface IdentityConfig {
  readonly control: ControlAddress;
  readonly dir: string;
  readonly trustRootsPem: string;
  readonly tokenFile: string;
  readonly localName: string;
  readonly minRefreshMs: number;
  readonly maxRefreshMs: number;
}

/** Reads the proxy's environment. Every problem is reported, not only the first. */
export function readConfig(lookup: (name: string) => string | undefined): {
  readonly config: ProxyConfig | undefined;
  readonly errors: readonly string[];
} {
  const env = new EnvReader(lookup);
  const config = resolve(env);
  return { config: env.errors.length === 0 ? config : undefined, errors: env.errors };
}

function resolve(env: EnvReader): ProxyConfig {
  const isIngress = env.bool("INGRESS_MODE", false);
  const clusterNetworks = env.networks("POLICY_CLUSTER_NETWORKS");
  if (env.text("IDENTITY_DISABLED", "") !== "")
    env.fail("LINKERD2_PROXY_IDENTITY_DISABLED", "identity cannot be disabled");
  return {
    inbound: readInbound(env, clusterNetworks),
    outbound: {
      ...readDirection(env, "OUTBOUND", OUTBOUND_DEFAULTS),
      listen: readOutboundListen(env),
      isIngress,
      emitsErrorHeaders: !env.bool("OUTBOUND_DISABLE_INFORMATIONAL_HEADERS", isIngress),
      hasHostnameLabels: env.bool("OUTBOUND_METRICS_HOSTNAME_LABELS", false),
    },
    admin: {
      listen: env.address("ADMIN_LISTEN_ADDR", "127.0.0.1:4191"),
      isShutdownEnabled: env.bool("SHUTDOWN_ENDPOINT_ENABLED", false),
    },
    tap: {
      listen: env.address("CONTROL_LISTEN_ADDR", "0.0.0.0:4190"),
      identity: env.text("TAP_SVC_NAME", "") || undefined,
    },
    shutdownGraceMs: env.duration("SHUTDOWN_GRACE_PERIOD", 120_000),
    metricsRetainIdleMs: env.duration("METRICS_RETAIN_IDLE", 600_000),
    destination: readControl(env, "DESTINATION"),
    policy: readControl(env, "POLICY"),
    destinationContext: env.text("DESTINATION_CONTEXT", ""),
    profileSuffixes: readSuffixes(env.text("DESTINATION_PROFILE_SUFFIXES", "svc.cluster.local.")),
    profileNetworks: env.networks("DESTINATION_PROFILE_NETWORKS"),
    policyWorkload: env.required("POLICY_WORKLOAD"),
    clusterNetworks,
    streams: readStreams(env),
    identity: readIdentity(env),
    log: readLog(env),
  };
}

function readInbound(env: EnvReader, clusterNetworks: readonly IpNetwork[]): InboundConfig {
  const defaultPolicy = env.choice("INBOUND_DEFAULT_POLICY", DEFAULT_POLICIES, "all-unauthenticated");
  if (defaultPolicy.startsWith("cluster-") && clusterNetworks.length === 0) {
    env.fail("LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS", `is required by the default policy ${defaultPolicy}`);
  }
  return {
    ...readDirection(env, "INBOUND", INBOUND_DEFAULTS),
    listen: [env.address("INBOUND_LISTEN_ADDR", "0.0.0.0:4143")],
    defaultPolicy,
    ports: env.ports("INBOUND_PORTS").expand(MAX_WATCHED_PORTS),
    opaquePorts: env.ports("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION"),
    gatewaySuffixes: readSuffixes(env.text("INBOUND_GATEWAY_SUFFIXES", "")),
    ips: env.ips("INBOUND_IPS"),
  };
}

interface DirectionDefaults {
  readonly connectTimeoutMs: number;
  readonly backoffMaxMs: number;
  readonly failfastMs: number;
  readonly discoveryIdleMs: number;
  /** The inbound setting's name carries no direction. */
  readonly maxIdleName: string;
}

const INBOUND_DEFAULTS: DirectionDefaults = {
  connectTimeoutMs: 300,
  backoffMaxMs: 10_000,
  failfastMs: 1_000,
  discoveryIdleMs: 90_000,
  maxIdleName: "MAX_IDLE_CONNS_PER_ENDPOINT",
};

const OUTBOUND_DEFAULTS: DirectionDefaults = {
  connectTimeoutMs: 1_000,
  backoffMaxMs: 60_000,
  failfastMs: 3_000,
  discoveryIdleMs: 5_000,
  maxIdleName: "OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT",
};

function readDirection(
  env: EnvReader,
  name: "INBOUND" | "OUTBOUND",
  defaults: DirectionDefaults,
): Omit<DirectionConfig, "listen"> {
  return {
    backlog: env.optionalInteger(`${name}_TCP_LISTEN_BACKLOG`),
    detectTimeoutMs: env.duration(`${name}_DETECT_TIMEOUT`, 10_000),
    connectTimeoutMs: env.duration(`${name}_CONNECT_TIMEOUT`, defaults.connectTimeoutMs),
    acceptKeepAliveMs: env.optionalDuration(`${name}_ACCEPT_KEEPALIVE`),
    acceptUserTimeoutMs: env.optionalDuration(`${name}_ACCEPT_USER_TIMEOUT`),
    connectKeepAliveMs: env.optionalDuration(`${name}_CONNECT_KEEPALIVE`),
    connectUserTimeoutMs: env.optionalDuration(`${name}_CONNECT_USER_TIMEOUT`),
    connectBackoff: env.backoff(`${name}_CONNECT_EXP_BACKOFF`, {
      minMs: 100,
      maxMs: defaults.backoffMaxMs,
      jitter: 0.1,
    }),
    queueCapacity: env.integer(`${name}_HTTP_QUEUE_CAPACITY`, 10_000),
    failfastMs: env.duration(`${name}_HTTP_FAILFAST_TIMEOUT`, defaults.failfastMs),
    maxInFlight: env.integer(`${name}_MAX_IN_FLIGHT`, 100_000),
    maxIdlePerEndpoint: env.integer(defaults.maxIdleName, 10_000),
    poolIdleMs: env.duration(`${name}_HTTP1_CONNECTION_POOL_IDLE_TIMEOUT`, 3_000),
    discoveryIdleMs: env.duration(`${name}_DISCOVERY_IDLE_TIMEOUT`, defaults.discoveryIdleMs),
    http2: {
      keepAliveIntervalMs: env.optionalDuration(`${name}_SERVER_HTTP2_KEEP_ALIVE_INTERVAL`),
      keepAliveTimeoutMs: env.duration(`${name}_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT`, 20_000),
      maxConcurrentStreams: env.optionalInteger(`${name}_SERVER_HTTP2_MAX_CONCURRENT_STREAMS`),
    },
  };
}

function readOutboundListen(env: EnvReader): readonly SocketAddress[] {
  const several = env.addresses("OUTBOUND_LISTEN_ADDRS");
  if (several.length > 2) env.fail("LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS", "names more than two addresses");
  return several.length > 0 ? several : [env.address("OUTBOUND_LISTEN_ADDR", "127.0.0.1:4140")];
}

function readControl(env: EnvReader, name: string): ControlAddress {
  const { host, port } = env.hostPort(`${name}_SVC_ADDR`);
  const isLocal = /^(localhost\.|127(\.\d{1,3}){3}|::1)$/i.test(host);
  const identity = env.text(`${name}_SVC_NAME`, "");
  if (!isLocal && identity === "")
    env.fail(`LINKERD2_PROXY_${name}_SVC_NAME`, "is required unless the address is loopback");
  return { host, port, identity: isLocal ? undefined : identity.toLowerCase() };
}

function readStreams(env: EnvReader): ProxyConfig["streams"] {
  const initialMs = env.optionalDuration("CONTROL_STREAM_INITIAL_TIMEOUT");
  const idleMs = env.optionalDuration("CONTROL_STREAM_IDLE_TIMEOUT");
  const lifetimeMs = env.optionalDuration("CONTROL_STREAM_LIFETIME");
  if ((initialMs ?? 0) > (idleMs ?? Infinity) || (idleMs ?? 0) > (lifetimeMs ?? Infinity)) {
    env.fail("LINKERD2_PROXY_CONTROL_STREAM_*", "must satisfy initial <= idle <= lifetime");
  }
  return { initialMs, idleMs, lifetimeMs };
}

function readIdentity(env: EnvReader): IdentityConfig {
  const trustRootsPem = env.required("IDENTITY_TRUST_ANCHORS");
  if (trustRootsPem !== "" && !trustRootsPem.includes("-----BEGIN CERTIFICATE-----")) {
    env.fail("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", "holds no PEM certificate");
  }
  const localName = env.text("IDENTITY_LOCAL_NAME", "") || env.text("IDENTITY_SERVER_NAME", "");
  if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(localName)) {
    env.fail("LINKERD2_PROXY_IDENTITY_LOCAL_NAME", `is "${localName}", wanted a DNS name`);
  }
  return {
    control: readControl(env, "IDENTITY"),
    dir: env.required("IDENTITY_DIR"),
    trustRootsPem,
    tokenFile: env.required("IDENTITY_TOKEN_FILE"),
    localName: localName.toLowerCase(),
    minRefreshMs: env.duration("IDENTITY_MIN_REFRESH", 10_000),
    maxRefreshMs: env.duration("IDENTITY_MAX_REFRESH", 86_400_000),
  };
}

function readLog(env: EnvReader): ProxyConfig["log"] {
  const filter = env.text("LOG", "warn,linkerd=info,hickory=error");
  return { filter, level: levelOfFilter(filter), format: env.choice("LOG_FORMAT", ["plain", "json"], "plain") };
}

/** The level that a filter such as `warn,linkerd=debug` means for this program: the one named for `linkerd`, else the bare one. */
export function levelOfFilter(filter: string): LogLevel | "off" {
  let level: LogLevel | "off" = "info";
  for (const part of filter.split(",")) {
    const [target, named] = part.includes("=") ? part.split("=") : [undefined, part];
    const text = (named ?? "").trim().toLowerCase();
    if (!LEVELS.has(text)) continue;
    if (target === undefined || /^linkerd(2_proxy|_app)?$/.test(target.trim())) level = text as LogLevel;
  }
  return level;
}

const LEVELS = new Set(["error", "warn", "info", "debug", "trace", "off"]);
/** One watch each; a pod with more declared ports is watched port by port as they are used. */
const MAX_WATCHED_PORTS = 256;
const DEFAULT_POLICIES = [
  "deny",
  "all-authenticated",
  "all-unauthenticated",
  "cluster-authenticated",
  "cluster-unauthenticated",
  "audit",
] as const;
