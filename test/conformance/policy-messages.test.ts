/** What the policy controller says, the proxy follows: every shape of message compiles on the other side. */
import { expect, test } from "bun:test";
import { IpNetwork } from "#net/address";
import { Server } from "#proto/inbound";
import { OutboundPolicy } from "#proto/outbound";
import { inboundServer } from "../../src/controlplane/policy/index/inbound-server.ts";
import { outboundPolicy } from "../../src/controlplane/policy/index/outbound-policy.ts";
import { compileServer } from "../../src/proxy/inbound/compile.ts";
import { type BackendSpec, type Concretes, compileOutbound } from "../../src/proxy/outbound/logical/compile.ts";
import { type Cluster, type Loose, policyConfig, policyObjects } from "../support/policy-objects.ts";

const parent = { group: "", kind: "Service", name: "web" };
const onServer = { group: "policy.linkerd.io", kind: "Server", name: "web" };
const rules = [
  {
    matches: [
      {
        path: { type: "Exact", value: "/a" },
        method: "GET",
        headers: [{ name: "x", type: "RegularExpression", value: "a+" }],
      },
      {},
    ],
    filters: [
      { type: "RequestHeaderModifier", requestHeaderModifier: { add: [{ name: "a", value: "b" }], remove: ["c"] } },
      {
        type: "RequestRedirect",
        requestRedirect: { scheme: "https", path: { type: "ReplacePrefixMatch", replacePrefixMatch: "/b" } },
      },
    ],
    backendRefs: [
      { name: "web", port: 80, weight: 3 },
      { name: "gone", port: 80 },
    ],
    timeouts: { request: "5s" },
  },
  { filters: [{ type: "URLRewrite", urlRewrite: {} }] },
  { backendRefs: [{ name: "web", port: 80, weight: 0 }] },
];
const route = (kind: string, parentRef: object, more: object = { rules }): Loose => ({
  kind,
  metadata: { name: "r" },
  spec: { parentRefs: [parentRef], hostnames: ["a.b", "*.c.d"], ...more },
});
const bytes = {
  rules: [
    {
      backendRefs: [
        { name: "web", port: 80 },
        { name: "gone", port: 80 },
      ],
    },
  ],
};
const web = (annotations: Record<string, string> = {}, appProtocol = ""): Loose => ({
  metadata: { name: "web", annotations },
  spec: { clusterIP: "10.96.0.1", ports: [{ port: 80, appProtocol }] },
});

const OUTBOUND: Readonly<Record<string, Cluster>> = {
  "a plain Service": {},
  "HTTP/1 by appProtocol": { services: [web({}, "http")] },
  "HTTP/2 by appProtocol": { services: [web({}, "kubernetes.io/h2c")] },
  "an opaque port": { services: [web({ "config.linkerd.io/opaque-ports": "80" })] },
  "HTTP routes": {
    gatewayHttpRoutes: [route("HTTPRoute", parent)],
    policyHttpRoutes: [route("HTTPRoute", parent, {})],
  },
  "gRPC routes": {
    grpcRoutes: [route("GRPCRoute", parent, { rules: [{ matches: [{ method: { service: "s" } }] }, {}] })],
  },
  "TLS routes": { tlsRoutes: [route("TLSRoute", parent, bytes)] },
  "TCP routes": { tcpRoutes: [route("TCPRoute", parent, bytes)] },
  "retries, timeouts and a breaker": {
    services: [
      web({
        "retry.linkerd.io/limit": "2",
        "timeout.linkerd.io/request": "1s",
        "timeout.linkerd.io/idle": "1m",
        "balancer.linkerd.io/failure-accrual": "consecutive",
      }),
    ],
  },
  "the other breaker and load estimator": {
    services: [
      web({ "balancer.linkerd.io/failure-accrual": "unified", "balancer.alpha.linkerd.io/penalize-failures": "true" }),
    ],
  },
};

const concretes = {
  http: (spec: BackendSpec) => ({ spec }),
  tcp: (spec: BackendSpec) => ({ spec }),
} as unknown as Concretes; // compiling only keeps what it is given

function compiled(cluster: Cluster, ip = "10.96.0.1", port = 80) {
  const query = { sourceNamespace: "shop", address: { ip: IpNetwork.parse(ip)!.bytes, port }, authority: undefined };
  const { policy } = outboundPolicy(policyObjects({ services: [web()], ...cluster }), policyConfig(), query);
  return compileOutbound(OutboundPolicy.decode(OutboundPolicy.encode(policy!).finish()), concretes);
}

for (const [says, cluster] of Object.entries(OUTBOUND)) {
  test(`outbound: ${says}`, () => {
    expect(compiled(cluster).invalid).toBeUndefined();
  });
}

const egress = (trafficPolicy: string): Cluster => ({
  egressNetworks: [{ metadata: { name: "out" }, spec: { trafficPolicy } }],
});

test("outbound: an undeclared port, the world outside, and egress networks", () => {
  expect(compiled({}, "10.96.0.1", 81).invalid).toBeUndefined();
  expect(compiled({}, "1.1.1.1", 443).invalid).toBeUndefined();
  expect(compiled(egress("Allow"), "1.1.1.1", 443).invalid).toBeUndefined();
  expect(compiled(egress("Deny"), "1.1.1.1", 443).invalid).toBeUndefined();
});

const pod = (annotations: Record<string, string> = {}): Loose => ({
  metadata: { name: "web-1", labels: { app: "web" }, annotations },
  spec: { containers: [{ name: "app", readinessProbe: { httpGet: { path: "/ok", port: 80 } } }] },
});
const server = (spec: object): Loose => ({ metadata: { name: "web" }, spec: { podSelector: {}, port: 80, ...spec } });
const limit: Loose = {
  metadata: { name: "l" },
  spec: { targetRef: onServer, total: { requestsPerSecond: 9 }, identity: { requestsPerSecond: 1 } },
};

const INBOUND: Readonly<Record<string, Cluster>> = {
  ...Object.fromEntries(
    [
      "all-unauthenticated",
      "all-authenticated",
      "cluster-unauthenticated",
      "cluster-authenticated",
      "deny",
      "audit",
    ].map((policy) => [
      `the default policy ${policy}`,
      { pods: [pod({ "config.linkerd.io/default-inbound-policy": policy })] },
    ]),
  ),
  "an opaque port": { pods: [pod({ "config.linkerd.io/opaque-ports": "80" })] },
  ...Object.fromEntries(
    ["unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS"].map((proxyProtocol) => [
      `a Server that speaks ${proxyProtocol}`,
      { servers: [server({ proxyProtocol, accessPolicy: "cluster-authenticated" })], rateLimits: [limit] },
    ]),
  ),
  "HTTP routes": { servers: [server({})], gatewayHttpRoutes: [route("HTTPRoute", onServer)] },
  "gRPC routes": {
    servers: [server({ proxyProtocol: "gRPC" })],
    grpcRoutes: [route("GRPCRoute", onServer, { rules: [{}] })],
  },
};

for (const [says, cluster] of Object.entries(INBOUND)) {
  test(`inbound: ${says}`, () => {
    const ref = { namespace: "shop", kind: "pod", name: "web-1" } as const;
    const message = inboundServer(policyObjects({ pods: [pod()], ...cluster }), policyConfig(), ref, 80);
    expect(compileServer(Server.decode(Server.encode(message!).finish())).invalid).toBeUndefined();
  });
}
