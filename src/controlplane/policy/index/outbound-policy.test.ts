import { expect, test } from "bun:test";
import { IpNetwork } from "#net/address";
import { type Backend, type GrpcRoute, type HttpRoute, OutboundPolicy, type ProxyProtocol } from "#proto/outbound";
import { type Cluster, type Loose, policyConfig, policyObjects } from "../../../../test/support/policy-objects.ts";
import { outboundPolicy } from "./outbound-policy.ts";
import type { OutboundQuery } from "./outbound-target.ts";

const service = (
  name: string,
  more: Record<string, unknown> = {},
  annotations: Record<string, string> = {},
): Loose => ({
  metadata: { name, annotations },
  spec: {
    clusterIP: "10.96.0.10",
    clusterIPs: ["10.96.0.10", "fd00::10"],
    ports: [{ port: 80 }, { name: "db", port: 3306 }],
    ...more,
  },
});
const other = (name: string): Loose => ({
  metadata: { name },
  spec: { clusterIP: "10.96.0.11", ports: [{ port: 80 }] },
});

const to = (ip: string, port: number, sourceNamespace = "clients"): OutboundQuery => ({
  sourceNamespace,
  address: { ip: IpNetwork.parse(ip)!.bytes, port },
  authority: undefined,
});
const named = (host: string, port = 80): OutboundQuery => ({
  sourceNamespace: "clients",
  address: undefined,
  authority: { host, port },
});

function build(cluster: Cluster, query: OutboundQuery = to("10.96.0.10", 80)) {
  const { policy, warnings, hasRoutes } = outboundPolicy(
    policyObjects({ services: [service("web")], ...cluster }),
    policyConfig(),
    query,
  );
  const seen = policy && OutboundPolicy.decode(OutboundPolicy.encode(policy).finish()); // as a proxy sees it
  return { policy: seen, protocol: seen?.protocol?.kind, warnings, hasRoutes };
}

type Kind = NonNullable<ProxyProtocol["kind"]>;

function httpRoutes(protocol: Kind | undefined): HttpRoute[] {
  if (protocol?.$case === "http1" || protocol?.$case === "http2") return protocol.value.routes;
  return protocol?.$case === "detect" ? (protocol.value.http1?.routes ?? []) : [];
}

/** A backend as one line: where it goes, or why it does not. */
function aim(backend: Backend | undefined): string {
  if (backend?.kind?.$case === "balancer") return backend.kind.value.discovery?.kind?.value.path ?? "";
  if (backend?.kind?.$case === "forward") return `forward:${backend.kind.value.addr?.port}`;
  return "nowhere";
}

function aims(rule: HttpRoute["rules"][number] | GrpcRoute["rules"][number] | undefined): string[] {
  const kind = rule?.backends?.kind;
  if (kind?.$case === "firstAvailable")
    return kind.value.backends.map(({ backend, filters }) => aim(backend) + failureOf(filters));
  if (kind?.$case !== "randomAvailable") return [];
  return kind.value.backends.map(
    ({ backend, weight }) => `${weight}×${aim(backend?.backend)}${failureOf(backend?.filters ?? [])}`,
  );
}

function failureOf(filters: readonly { kind: { $case: string; value: unknown } | undefined }[]): string {
  const failure = filters.find(({ kind }) => kind?.$case === "failureInjector")?.kind?.value as
    | { message: string }
    | undefined;
  return failure ? ` (${failure.message})` : "";
}

const nameOf = ({ metadata }: { metadata: HttpRoute["metadata"] }): string | undefined =>
  metadata?.kind?.$case === "resource" ? metadata.kind.value.name : metadata?.kind?.value;

const WEB = "web.shop.svc.cluster.local:80";

test("a Service's port is detected, balanced over its endpoints, with Linkerd's constants", () => {
  const { policy, protocol, warnings } = build({});
  expect(policy?.metadata?.kind?.value).toEqual({
    group: "core",
    kind: "Service",
    name: "web",
    namespace: "shop",
    section: "",
    port: 80,
  });
  const detect = protocol?.$case === "detect" ? protocol.value : undefined;
  expect(detect?.timeout).toEqual({ seconds: 10n, nanos: 0 });
  expect(detect?.http1?.routes).toEqual(detect?.http2?.routes ?? []);
  expect(detect?.http1?.failureAccrual).toBeUndefined();
  expect(detect?.opaque?.routes.map(nameOf)).toEqual(["opaq"]);
  const [route] = httpRoutes(protocol);
  expect(nameOf(route!)).toBe("http");
  const distribution = route?.rules[0]?.backends?.kind;
  const backend = distribution?.$case === "firstAvailable" ? distribution.value.backends[0]?.backend : undefined;
  expect(aim(backend)).toBe(WEB);
  expect(backend?.queue).toEqual({ capacity: 100, failfastTimeout: { seconds: 3n, nanos: 0 } });
  const load = backend?.kind?.$case === "balancer" ? backend.kind.value.load : undefined;
  expect(load).toEqual({
    $case: "peakEwma",
    value: { defaultRtt: { seconds: 0n, nanos: 30_000_000 }, decay: { seconds: 10n, nanos: 0 } },
  });
  expect(warnings).toEqual([]);
});

const TARGETS: readonly (readonly [
  says: string,
  query: OutboundQuery,
  kind: string | undefined,
  metadata: string | undefined,
])[] = [
  ["the IPv6 address of a Service", to("fd00::10", 80), "detect", "web"],
  ["a port that it does not declare", to("10.96.0.10", 81), "opaque", "web"],
  ["an opaque port by default", to("10.96.0.10", 3306), "opaque", "web"],
  ["a name", named("web.shop.svc.cluster.local"), "detect", "web"],
  ["a name without the domain", named("web.shop.svc"), "detect", "web"],
  ["a name that nobody has", named("ghost.shop.svc.cluster.local"), "detect", "ghost"],
  ["a port by name that it does not declare", named("web.shop.svc.cluster.local", 81), "detect", "web"],
  ["a name outside the cluster", named("example.com"), undefined, undefined],
  ["an address outside the cluster", to("1.1.1.1", 443), "detect", "egress-fallback"],
  ["an unknown address inside the cluster", to("10.1.2.3", 80), undefined, undefined],
];

test.each(TARGETS)("%s", (_says, query, kind, name) => {
  const { policy, protocol } = build({}, query);
  expect(protocol?.$case as string | undefined).toBe(kind);
  expect(policy && nameOf({ metadata: policy.metadata })).toBe(name);
});

test("a port that a Service does not declare is refused", () => {
  const { protocol } = build({}, to("10.96.0.10", 81));
  const route = protocol?.$case === "opaque" ? protocol.value.routes[0] : undefined;
  expect(nameOf(route!)).toBe("undefined-port");
  expect(route?.rules[0]?.filters[0]?.kind?.$case).toBe("forbidden");
  expect(route?.rules[0]?.backends?.kind?.$case).toBe("empty");
});

const APP_PROTOCOLS: readonly (readonly [appProtocol: string, port: number, kind: string])[] = [
  ["http", 80, "http1"],
  ["HTTP", 3306, "http1"],
  ["kubernetes.io/h2c", 80, "http2"],
  ["linkerd.io/opaque", 80, "opaque"],
  ["linkerd.io/tcp", 80, "opaque"],
  ["https", 80, "opaque"],
  ["", 80, "detect"],
  ["", 3306, "opaque"],
];

test.each(APP_PROTOCOLS)("appProtocol %p on port %i is told as %s", (appProtocol, port, kind) => {
  const { protocol } = build(
    { services: [service("web", { ports: [{ port, appProtocol }] })] },
    to("10.96.0.10", port),
  );
  expect(protocol?.$case as string).toBe(kind);
});

test("a Service's own opaque ports replace the default list, names and ranges included", () => {
  const services = [
    service(
      "web",
      { ports: [{ port: 80 }, { name: "db", port: 3306 }, { port: 90 }] },
      { "config.linkerd.io/opaque-ports": "90-99,db" },
    ),
  ];
  const kind = (port: number) => build({ services }, to("10.96.0.10", port)).protocol?.$case;
  expect([kind(80), kind(90), kind(3306)]).toEqual(["detect", "opaque", "opaque"]);
  const none = [service("web", {}, { "config.linkerd.io/opaque-ports": "" })];
  expect(build({ services: none }, to("10.96.0.10", 3306)).protocol?.$case).toBe("detect");
});

const parent = (more: Record<string, unknown> = {}) => ({ group: "", kind: "Service", name: "web", ...more });
const route = (name: string, rule: Record<string, unknown> = {}, more: Record<string, unknown> = {}): Loose => ({
  kind: "HTTPRoute",
  metadata: { name, ...((more["metadata"] as object) ?? {}) },
  spec: { parentRefs: more["parentRefs"] ?? [parent()], hostnames: more["hostnames"], rules: [rule] },
});

const BACKENDS: readonly (readonly [says: string, refs: unknown[] | undefined, expected: string[]])[] = [
  ["none named", undefined, [WEB]],
  [
    "weights",
    [
      { name: "web", port: 80, weight: 9 },
      { name: "b", port: 80 },
    ],
    [`9×${WEB}`, "1×b.shop.svc.cluster.local:80"],
  ],
  [
    "a missing one keeps its share",
    [
      { name: "web", port: 80 },
      { name: "c", port: 80 },
    ],
    [`1×${WEB}`, "1×nowhere (Service not found c.shop)"],
  ],
  ["no port", [{ name: "web" }], ["1×nowhere (Missing port for backend Service shop/web)"]],
  ["another kind", [{ kind: "Bucket", name: "web", port: 80 }], ["1×nowhere (Unsupported backend Bucket shop/web)"]],
  ["all weights 0", [{ name: "web", port: 80, weight: 0 }], ["nowhere (Every backend has weight 0)"]],
];

test.each(BACKENDS)("backends of a rule: %s", (_says, backendRefs, expected) => {
  const { protocol } = build({
    services: [service("web"), other("b")],
    gatewayHttpRoutes: [route("r", { backendRefs })],
  });
  expect(aims(httpRoutes(protocol)[0]?.rules[0])).toEqual(expected);
});

test("a rule's matches and filters arrive whole", () => {
  const rule = {
    matches: [
      {
        path: { type: "Exact", value: "/a" },
        method: "PUT",
        headers: [
          { name: "x", value: "1" },
          { type: "RegularExpression", name: "y", value: "2+" },
        ],
        queryParams: [{ name: "q", value: "v" }],
      },
      {},
    ],
    filters: [
      { type: "RequestHeaderModifier", requestHeaderModifier: { set: [{ name: "a", value: "b" }], remove: ["c"] } },
      { type: "ResponseHeaderModifier", responseHeaderModifier: { add: [{ name: "d", value: "e" }] } },
      {
        type: "RequestRedirect",
        requestRedirect: {
          scheme: "https",
          hostname: "h",
          port: 8,
          path: { type: "ReplaceFullPath", replaceFullPath: "/z" },
        },
      },
    ],
  };
  const { protocol } = build({ policyHttpRoutes: [route("r", rule, { hostnames: ["a.b", "*.c.d"] })] });
  const [sent] = httpRoutes(protocol);
  expect(sent?.hosts).toEqual([
    { match: { $case: "exact", value: "a.b" } },
    { match: { $case: "suffix", value: { reverseLabels: ["d", "c"] } } },
  ]);
  expect(
    sent?.rules[0]?.matches.map(({ path, method, headers, queryParams }) => [
      path?.kind,
      method?.type,
      headers.length,
      queryParams.length,
    ]),
  ).toEqual([
    [{ $case: "exact", value: "/a" }, { $case: "registered", value: 2 }, 2, 1],
    [{ $case: "prefix", value: "/" }, undefined, 0, 0],
  ]);
  expect(sent?.rules[0]?.filters.map(({ kind }) => kind?.$case)).toEqual([
    "requestHeaderModifier",
    "responseHeaderModifier",
    "redirect",
  ]);
  const redirect = sent?.rules[0]?.filters[2]?.kind;
  expect(redirect?.$case === "redirect" && redirect.value).toEqual({
    scheme: { type: { $case: "registered", value: 1 } },
    host: "h",
    path: { replace: { $case: "full", value: "/z" } },
    port: 8,
    status: 302,
  });
});

test("a filter that cannot be honoured fails its rule and says so; the other rules stand", () => {
  const bad = route("r", { filters: [{ type: "URLRewrite", urlRewrite: {} }] });
  (bad["spec"] as { rules: unknown[] }).rules.push({});
  const [sent] = httpRoutes(build({ gatewayHttpRoutes: [bad] }).protocol);
  expect(sent?.rules.map(({ filters }) => failureOf(filters))).toEqual([" (Unsupported route filter URLRewrite)", ""]);
});

test("a route of the Service's namespace counts for everybody, one of the client's namespace for its clients only", () => {
  const elsewhere = (namespace: string) =>
    route(namespace, {}, { metadata: { namespace }, parentRefs: [parent({ namespace: "shop" })] });
  const gatewayHttpRoutes = [route("producer"), elsewhere("clients"), elsewhere("strangers")];
  expect(httpRoutes(build({ gatewayHttpRoutes }).protocol).map(nameOf)).toEqual(["clients", "producer"]);
  expect(httpRoutes(build({ gatewayHttpRoutes }, to("10.96.0.10", 80, "shop")).protocol).map(nameOf)).toEqual([
    "producer",
  ]);
});

test("a parent's port narrows a route to that port", () => {
  const gatewayHttpRoutes = [
    route("80", {}, { parentRefs: [parent({ port: 80 })] }),
    route("81", {}, { parentRefs: [parent({ port: 81 })] }),
  ];
  expect(httpRoutes(build({ gatewayHttpRoutes }).protocol).map(nameOf)).toEqual(["80"]);
});

test("routes of a headless Service do not count", () => {
  const services = [service("web", { clusterIP: "None", clusterIPs: ["None"] })];
  const { protocol, hasRoutes } = build({ services, gatewayHttpRoutes: [route("r")] }, named("web.shop.svc"));
  expect([httpRoutes(protocol).map(nameOf), hasRoutes]).toEqual([["http"], false]);
});

const grpc: Loose = {
  kind: "GRPCRoute",
  metadata: { name: "g" },
  spec: { parentRefs: [parent()], rules: [{ matches: [{ method: { service: "s.S", method: "M" } }] }] },
};
const bytes = (kind: string, name: string): Loose => ({
  kind,
  metadata: { name },
  spec: { parentRefs: [parent()], hostnames: ["*.a.b"], rules: [{ backendRefs: [{ name: "web", port: 80 }] }] },
});

const PRECEDENCE: readonly (readonly [says: string, cluster: Cluster, kind: string])[] = [
  [
    "gRPC before all",
    { grpcRoutes: [grpc], gatewayHttpRoutes: [route("r")], tlsRoutes: [bytes("TLSRoute", "t")] },
    "grpc",
  ],
  ["HTTP before TLS", { gatewayHttpRoutes: [route("r")], tlsRoutes: [bytes("TLSRoute", "t")] }, "detect"],
  ["TLS before TCP", { tlsRoutes: [bytes("TLSRoute", "t")], tcpRoutes: [bytes("TCPRoute", "c")] }, "tls"],
  ["TCP before none", { tcpRoutes: [bytes("TCPRoute", "c")] }, "opaque"],
];

test.each(PRECEDENCE)("the kind of route says what a port speaks: %s", (_says, cluster, kind) => {
  expect(build(cluster).protocol?.$case as string).toBe(kind);
});

test("a gRPC route's method is matched by service and method; a regular expression voids the route, and is told", () => {
  const { protocol } = build({ grpcRoutes: [grpc] });
  const routes = protocol?.$case === "grpc" ? protocol.value.routes : [];
  expect(routes[0]?.rules[0]?.matches[0]?.rpc).toEqual({ service: "s.S", method: "M" });
  const regex = {
    ...grpc,
    spec: { parentRefs: [parent()], rules: [{ matches: [{ method: { type: "RegularExpression", service: ".*" } }] }] },
  };
  const refused = build({ grpcRoutes: [regex] });
  expect(refused.protocol?.$case).toBe("detect");
  expect(refused.warnings[0]).toContain("Ignored GRPCRoute shop/g");
});

function settings(annotations: Record<string, string>) {
  const { protocol, warnings } = build({ services: [service("web", {}, annotations)] });
  const rule = httpRoutes(protocol)[0]?.rules[0];
  const accrual = protocol?.$case === "detect" ? protocol.value.http1?.failureAccrual?.kind : undefined;
  return { rule, accrual, warnings };
}

test("a Service's timeouts and retries are its default route's", () => {
  const { rule } = settings({
    "timeout.linkerd.io/request": "5s",
    "timeout.linkerd.io/idle": "1m",
    "retry.linkerd.io/http": "gateway-error,429",
    "retry.linkerd.io/limit": "3",
    "retry.linkerd.io/timeout": "300ms",
  });
  expect(rule?.timeouts).toEqual({
    request: { seconds: 5n, nanos: 0 },
    response: undefined,
    idle: { seconds: 60n, nanos: 0 },
  });
  expect(rule?.requestTimeout).toEqual({ seconds: 5n, nanos: 0 });
  expect(rule?.retry).toEqual({
    maxRetries: 3,
    maxRequestBytes: 65_536,
    conditions: {
      statusRanges: [
        { start: 502, end: 504 },
        { start: 429, end: 429 },
      ],
    },
    timeout: { seconds: 0n, nanos: 300_000_000 },
    backoff: {
      minBackoff: { seconds: 0n, nanos: 25_000_000 },
      maxBackoff: { seconds: 0n, nanos: 250_000_000 },
      jitterRatio: 1,
      respectRetryAfterHint: false,
    },
  });
});

test("a retry limit without conditions retries what fails, instead of doing nothing in silence", () => {
  expect(settings({ "retry.linkerd.io/limit": "2" }).rule?.retry?.conditions?.statusRanges).toEqual([
    { start: 500, end: 599 },
  ]);
  expect(settings({ "retry.linkerd.io/limit": "0" }).rule?.retry).toBeUndefined();
});

test("a route's annotations go before its own timeouts, those before the Service's; compound durations are read", () => {
  const timeoutOf = (annotations: Record<string, string>, timeouts?: unknown) => {
    const services = [service("web", {}, { "timeout.linkerd.io/request": "1s", "retry.linkerd.io/http": "5xx" })];
    const gatewayHttpRoutes = [route("r", timeouts ? { timeouts } : {}, { metadata: { annotations } })];
    const rule = httpRoutes(build({ services, gatewayHttpRoutes }).protocol)[0]?.rules[0];
    return [rule?.timeouts?.request?.seconds, rule?.retry !== undefined];
  };
  expect(timeoutOf({ "timeout.linkerd.io/request": "3s" }, { request: "1m30s" })).toEqual([3n, true]);
  expect(timeoutOf({}, { request: "1m30s" })).toEqual([90n, true]);
  expect(timeoutOf({ "timeout.linkerd.io/idle": "9s" }, { request: "2s" })).toEqual([2n, true]);
  expect(timeoutOf({}, { request: "0s" })).toEqual([1n, true]);
  expect(timeoutOf({})).toEqual([1n, true]);
});

const BAD_SETTINGS: readonly (readonly [key: string, value: string])[] = [
  ["timeout.linkerd.io/request", "1m30s"],
  ["timeout.linkerd.io/idle", "10"],
  ["retry.linkerd.io/http", "6xx"],
  ["retry.linkerd.io/http", "504-500"],
  ["retry.linkerd.io/grpc", "unknown"],
  ["retry.linkerd.io/limit", "65536"],
  ["retry.linkerd.io/timeout", "-1s"],
  ["balancer.linkerd.io/failure-accrual", "always"],
  ["balancer.alpha.linkerd.io/penalize-failures", "perhaps"],
];

test.each(BAD_SETTINGS)("a Service's %s: %p is left out, and told once", (key, value) => {
  const { rule, accrual, warnings } = settings({ [key]: value });
  expect([rule?.timeouts, rule?.retry, accrual]).toEqual([undefined, undefined, undefined]);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain(`${key}: "${value}" must`);
});

test("a bad annotation on a route leaves the route out", () => {
  const metadata = { annotations: { "retry.linkerd.io/http": "6xx" } };
  const { protocol, warnings } = build({ gatewayHttpRoutes: [route("r", {}, { metadata })] });
  expect(httpRoutes(protocol).map(nameOf)).toEqual(["http"]);
  expect(warnings[0]).toContain("Ignored HTTPRoute shop/r: Cannot parse annotation retry.linkerd.io/http");
});

const STABLE = "balancer.linkerd.io/failure-accrual";

test("consecutive failure accrual has Linkerd's defaults", () => {
  expect(settings({ [STABLE]: "consecutive" }).accrual).toEqual({
    $case: "consecutiveFailures",
    value: {
      maxFailures: 7,
      backoff: {
        minBackoff: { seconds: 1n, nanos: 0 },
        maxBackoff: { seconds: 60n, nanos: 0 },
        jitterRatio: 0.5,
        respectRetryAfterHint: false,
      },
    },
  });
});

test("unified failure accrual reads its own keys too", () => {
  const { accrual } = settings({
    [STABLE]: "unified",
    [`${STABLE}-consecutive-max-failures`]: " 0 ",
    "balancer.alpha.linkerd.io/failure-accrual-success-rate-threshold": "0.5",
    "balancer.alpha.linkerd.io/failure-accrual-success-rate-window": "30s",
    "balancer.alpha.linkerd.io/failure-accrual-honor-retry-after": "true",
  });
  expect(accrual).toMatchObject({
    $case: "unified",
    value: {
      successRateThreshold: 0.5,
      decay: { seconds: 30n },
      minRequests: 5,
      maxConsecutiveFailures: 0,
      backoff: { respectRetryAfterHint: true },
    },
  });
});

const BAD_ACCRUAL: readonly (readonly [key: string, value: string])[] = [
  [`${STABLE}-consecutive-max-failures`, "1.5"],
  [`${STABLE}-consecutive-min-penalty`, "2m"], // above the max-penalty
  [`${STABLE}-consecutive-max-penalty`, "0"],
  [`${STABLE}-consecutive-jitter-ratio`, "101"],
];

test.each(BAD_ACCRUAL)("%s: %p drops the breaker as a whole, and is told", (key, value) => {
  const { accrual, warnings } = settings({ [STABLE]: "consecutive", [key]: value });
  expect(accrual).toBeUndefined();
  expect(warnings[0]).toContain(key);
});

const egress = (name: string, spec: Record<string, unknown>, namespace = "clients"): Loose => ({
  metadata: { name, namespace },
  spec,
});

test("of egress networks the client's own hide the global ones; then the smallest block counts", () => {
  const nameFor = (egressNetworks: Loose[], ip = "1.1.1.1") => {
    const { policy } = build({ egressNetworks }, to(ip, 443));
    return policy && nameOf({ metadata: policy.metadata });
  };
  const global = egress("global", { trafficPolicy: "Allow" }, "linkerd-egress");
  const wide = egress("wide", { trafficPolicy: "Allow", networks: [{ cidr: "1.0.0.0/8" }] });
  const narrow = egress("narrow", {
    trafficPolicy: "Allow",
    networks: [{ cidr: "1.1.0.0/16", except: ["1.1.9.0/24"] }],
  });
  expect(nameFor([global])).toBe("global");
  expect(nameFor([global, wide, narrow])).toBe("narrow");
  expect(nameFor([global, wide, narrow], "1.1.9.9")).toBe("wide");
  expect(nameFor([global, wide], "8.8.8.8")).toBe("egress-fallback"); // its own hide the global one
});

test("an egress network that denies refuses what no route allows; its default stays behind its routes", () => {
  const denied = egress("out", { trafficPolicy: "Deny" });
  const ref = { group: "policy.linkerd.io", kind: "EgressNetwork", name: "out", port: 443 };
  const gatewayHttpRoutes = [route("allowed", {}, { metadata: { namespace: "clients" }, parentRefs: [ref] })];
  const { protocol } = build({ egressNetworks: [denied], gatewayHttpRoutes }, to("1.1.1.1", 443));
  const routes = httpRoutes(protocol);
  expect(routes.map(nameOf)).toEqual(["allowed", "http-egress-deny"]);
  expect(aims(routes[0]?.rules[0])).toEqual(["forward:443"]);
  expect(failureOf(routes[1]?.rules[0]?.filters ?? [])).toBe(" (traffic not allowed)");
  const opaque = protocol?.$case === "detect" ? protocol.value.opaque?.routes[0] : undefined;
  expect(opaque?.rules[0]?.filters[0]?.kind?.$case).toBe("forbidden");
});
