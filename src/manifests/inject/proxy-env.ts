import type { EnvVar } from "#kube/types";
import type { Values } from "../values.ts";

/** Which of the mesh's own pods a proxy stands in: it reaches that pod's program on loopback. */
export type ControlPlaneComponent = "linkerd-destination" | "linkerd-identity" | "linkerd-proxy-injector";

/** What a proxy is told besides the values, its workload's annotations already applied to them. */
export interface ProxyContext {
  readonly values: Values;
  readonly controlPlaneNs: string;
  /** Ports the pod's containers listen on, comma-separated. */
  readonly podInboundPorts: string;
  /** Set for the mesh's own pods; they also read the trust roots from the ConfigMap instead of carrying a copy. */
  readonly component?: ControlPlaneComponent;
  /** Attributes of traces besides the values' own. */
  readonly traceLabels?: Readonly<Record<string, string>>;
}

const PREFIX = "LINKERD2_PROXY_";

/** The proxy's whole environment, in the order in which later entries may refer to earlier ones. */
export function proxyEnv(context: ProxyContext): EnvVar[] {
  const { values } = context;
  const { proxy } = values;
  return [
    ...podEnv(),
    ...coresEnv(proxy),
    ...optional("INBOUND_PORTS_REQUIRE_IDENTITY", proxy.requireIdentityOnInboundPorts),
    ...optional("INBOUND_PORTS_REQUIRE_TLS", proxy.requireTLSOnInboundPorts),
    set("SHUTDOWN_ENDPOINT_ENABLED", `${proxy.enableShutdownEndpoint}`),
    set(
      "LOG",
      proxy.logHTTPHeaders === "insecure" ? proxy.logLevel : `${proxy.logLevel},[{headers}]=off,[{request}]=off`,
    ),
    set("LOG_FORMAT", proxy.logFormat),
    ...policyAndDiscoveryEnv(context),
    ...timeoutEnv(proxy),
    ...listenEnv(values),
    fromField("LINKERD2_PROXY_INBOUND_IPS", "status.podIPs"),
    set("INBOUND_PORTS", context.podInboundPorts),
    ...(proxy.isGateway ? [set("INBOUND_GATEWAY_SUFFIXES", `svc.${values.clusterDomain}.`)] : []),
    ...(proxy.isIngress ? [set("INGRESS_MODE", "true")] : []),
    set("DESTINATION_PROFILE_SUFFIXES", proxy.enableExternalProfiles ? "." : `svc.${values.clusterDomain}.`),
    set("INBOUND_ACCEPT_KEEPALIVE", "10000ms"),
    set("OUTBOUND_CONNECT_KEEPALIVE", "10000ms"),
    set("INBOUND_ACCEPT_USER_TIMEOUT", "30s"),
    set("OUTBOUND_CONNECT_USER_TIMEOUT", "30s"),
    set("OUTBOUND_METRICS_HOSTNAME_LABELS", `${proxy.metrics.hostnameLabels}`),
    ...(proxy.tracing.enabled ? tracingEnv(context) : []),
    ...treeEnv({ inbound: proxy.inbound, outbound: proxy.outbound }),
    ...optional("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION", proxy.opaquePorts),
    set("DESTINATION_CONTEXT", '{"ns":"$(_pod_ns)", "nodeName":"$(_pod_nodeName)", "pod":"$(_pod_name)"}\n'),
    ...identityEnv(context),
    ...optional("ACCESS_LOG", proxy.accessLog),
    ...optional("SHUTDOWN_GRACE_PERIOD", proxy.shutdownGracePeriod),
    ...((proxy.additionalEnv ?? []) as unknown as EnvVar[]),
    ...((proxy.experimentalEnv ?? []) as unknown as EnvVar[]),
  ];
}

function set(name: string, value: string): EnvVar {
  return { name: PREFIX + name, value };
}

function optional(name: string, value: string | undefined): EnvVar[] {
  return value ? [set(name, value)] : [];
}

function fromField(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

function podEnv(): EnvVar[] {
  return [
    fromField("_pod_name", "metadata.name"),
    fromField("_pod_ns", "metadata.namespace"),
    fromField("_pod_uid", "metadata.uid"),
    fromField("_pod_ip", "status.podIP"),
    fromField("_pod_nodeName", "spec.nodeName"),
    { name: "_pod_containerName", value: "linkerd-proxy" },
  ];
}

function coresEnv({ cores, runtime }: Values["proxy"]): EnvVar[] {
  if (cores) return [set("CORES", `${cores}`), set("CORES_MIN", `${cores}`)];
  const { minimum, maximum, maximumCPURatio } = runtime.workers;
  const least = `${minimum || 1}`;
  return [
    set("CORES", least),
    set("CORES_MIN", least),
    ...optional("CORES_MAX", maximum ? `${maximum}` : ""),
    ...optional("CORES_MAX_RATIO", maximumCPURatio ? `${maximumCPURatio}` : ""),
  ];
}

function policyAndDiscoveryEnv({ values, controlPlaneNs, component }: ProxyContext): EnvVar[] {
  const isDestination = component === "linkerd-destination";
  const service = (name: string, port: number): string =>
    isDestination ? `localhost.:${port}` : `${name}.${controlPlaneNs}.svc.${values.clusterDomain}.:${port}`;
  return [
    set("DESTINATION_SVC_ADDR", service("linkerd-dst-headless", 8086)),
    set("DESTINATION_PROFILE_NETWORKS", values.clusterNetworks),
    set("POLICY_SVC_ADDR", service("linkerd-policy", 8090)),
    set("POLICY_WORKLOAD", '{"ns":"$(_pod_ns)", "pod":"$(_pod_name)"}\n'),
    set("INBOUND_DEFAULT_POLICY", values.proxy.defaultInboundPolicy),
    set("POLICY_CLUSTER_NETWORKS", values.clusterNetworks),
  ];
}

function timeoutEnv(proxy: Values["proxy"]): EnvVar[] {
  const { initialTimeout, idleTimeout, lifetime } = proxy.control.streams;
  return [
    set("CONTROL_STREAM_INITIAL_TIMEOUT", initialTimeout),
    set("CONTROL_STREAM_IDLE_TIMEOUT", idleTimeout),
    set("CONTROL_STREAM_LIFETIME", lifetime),
    ...optional("INBOUND_CONNECT_TIMEOUT", proxy.inboundConnectTimeout),
    ...optional("OUTBOUND_CONNECT_TIMEOUT", proxy.outboundConnectTimeout),
    ...optional("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", proxy.outboundDiscoveryCacheUnusedTimeout),
    ...optional("INBOUND_DISCOVERY_IDLE_TIMEOUT", proxy.inboundDiscoveryCacheUnusedTimeout),
    ...optional("OUTBOUND_DETECT_TIMEOUT", proxy.disableOutboundProtocolDetectTimeout ? "365d" : ""),
    ...optional("INBOUND_DETECT_TIMEOUT", proxy.disableInboundProtocolDetectTimeout ? "365d" : ""),
  ];
}

function listenEnv({ disableIPv6, proxy: { ports } }: Values): EnvVar[] {
  const any = disableIPv6 ? "0.0.0.0" : "[::]";
  const loopback = `127.0.0.1:${ports.outbound}`;
  return [
    set("CONTROL_LISTEN_ADDR", `${any}:${ports.control}`),
    set("ADMIN_LISTEN_ADDR", `${any}:${ports.admin}`),
    set("OUTBOUND_LISTEN_ADDR", loopback),
    set("OUTBOUND_LISTEN_ADDRS", disableIPv6 ? loopback : `${loopback},[::1]:${ports.outbound}`),
    set("INBOUND_LISTEN_ADDR", `${any}:${ports.inbound}`),
  ];
}

function tracingEnv(context: ProxyContext): EnvVar[] {
  const { tracing } = context.values.proxy;
  const { serviceAccountName, namespace } = tracing.collector.meshIdentity;
  const missing = Object.entries({
    "collector.endpoint": tracing.collector.endpoint,
    "collector.meshIdentity.serviceAccountName": serviceAccountName,
    "collector.meshIdentity.namespace": namespace,
  }).filter(([, value]) => !value);
  if (missing.length > 0) {
    const keys = missing.map(([key]) => `proxy.tracing.${key}`).join(", ");
    throw new Error(`Cannot render the proxy with tracing enabled: the mesh's values must set ${keys}`);
  }
  const labels = Object.entries({ ...tracing.labels, ...context.traceLabels }).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    set("TRACE_ATTRIBUTES_PATH", "/var/run/linkerd/podinfo/labels"),
    set("TRACE_ANNOTATIONS_PATH", "/var/run/linkerd/podinfo/annotations"),
    set("TRACE_PROTOCOL", "opentelemetry"),
    set("TRACE_SERVICE_NAME", tracing.traceServiceName),
    set("TRACE_COLLECTOR_SVC_ADDR", tracing.collector.endpoint),
    set("TRACE_COLLECTOR_SVC_NAME", `${serviceAccountName}.${namespace}.${identitySuffix(context)}`),
    set("TRACE_EXTRA_ATTRIBUTES", labels.map(([key, value]) => `${key}=${value}\n`).join("")),
  ];
}

/** Every leaf of a tree of settings as one variable: inbound.server.http2.keepAliveInterval → INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL. */
function treeEnv(tree: Readonly<Record<string, unknown>>, path: readonly string[] = []): EnvVar[] {
  return Object.keys(tree)
    .sort()
    .flatMap((key) => {
      const value = tree[key];
      const here = [...path, key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase()];
      if (typeof value === "object" && value !== null) return treeEnv(value as Record<string, unknown>, here);
      return value === undefined || value === null ? [] : [set(here.join("_"), `${value}`)];
    });
}

function identitySuffix({ values, controlPlaneNs }: ProxyContext): string {
  return `serviceaccount.identity.${controlPlaneNs}.${values.identityTrustDomain || values.clusterDomain}`;
}

function identityEnv(context: ProxyContext): EnvVar[] {
  const { values, controlPlaneNs, component } = context;
  const suffix = identitySuffix(context);
  const identityAddr =
    component === "linkerd-identity"
      ? "localhost.:8080"
      : `linkerd-identity-headless.${controlPlaneNs}.svc.${values.clusterDomain}.:8080`;
  const destinationName = `linkerd-destination.${controlPlaneNs}.${suffix}`;
  return [
    fromField("_pod_sa", "spec.serviceAccountName"),
    { name: "_l5d_ns", value: controlPlaneNs },
    { name: "_l5d_trustdomain", value: values.identityTrustDomain || values.clusterDomain },
    set("IDENTITY_DIR", "/var/run/linkerd/identity/end-entity"),
    trustAnchors(context),
    set(
      "IDENTITY_TOKEN_FILE",
      values.identity.serviceAccountTokenProjection
        ? "/var/run/secrets/tokens/linkerd-identity-token"
        : "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ),
    set("IDENTITY_SVC_ADDR", identityAddr),
    set("IDENTITY_LOCAL_NAME", `$(_pod_sa).$(_pod_ns).${suffix}`),
    set("IDENTITY_SVC_NAME", `linkerd-identity.${controlPlaneNs}.${suffix}`),
    set("DESTINATION_SVC_NAME", destinationName),
    set("POLICY_SVC_NAME", destinationName),
  ];
}

function trustAnchors({ values, component }: ProxyContext): EnvVar {
  if (component) {
    const configMapKeyRef = { name: "linkerd-identity-trust-roots", key: "ca-bundle.crt" };
    return { name: `${PREFIX}IDENTITY_TRUST_ANCHORS`, valueFrom: { configMapKeyRef } };
  }
  const pem = values.identityTrustAnchorsPEM.trim();
  if (pem === "") {
    throw new Error("Cannot render the proxy: the mesh's trust roots (identityTrustAnchorsPEM) are empty");
  }
  return set("IDENTITY_TRUST_ANCHORS", `${pem}\n`);
}
