import { expect, test } from "bun:test";
import { validate } from "./validate.ts";

const POLICY = "policy.linkerd.io";
const GATEWAY = "gateway.networking.k8s.io";

function check(
  group: string,
  kind: string,
  spec: unknown,
  annotations: Record<string, string> = {},
): readonly string[] {
  return validate({ group, kind, namespace: "shop", object: { metadata: { name: "x", annotations }, spec } });
}

const server = { group: POLICY, kind: "Server", name: "web" };
const refs = (...kinds: string[]) =>
  kinds.map((kind) => ({ group: kind === "ServiceAccount" ? "" : POLICY, kind, name: "x" }));
const authz = (requiredAuthenticationRefs: unknown, targetRef: unknown = server) => ({
  targetRef,
  requiredAuthenticationRefs,
});
const saz = (client: unknown) => ({ server: { name: "web" }, client });
const egress = { group: POLICY, kind: "EgressNetwork", name: "out" };
const limit = (more: Record<string, unknown>) => ({ targetRef: server, total: { requestsPerSecond: 10 }, ...more });
const http = (rule: Record<string, unknown>, parentRefs: unknown[] = [{ kind: "Service", name: "web" }]) => ({
  parentRefs,
  rules: [rule],
});
const pathMatch = (type: string, value: string) => http({ matches: [{ path: { type, value } }] });

const GOOD: readonly (readonly [group: string, kind: string, spec: unknown])[] = [
  [POLICY, "Server", { port: "http", podSelector: {}, proxyProtocol: "gRPC", accessPolicy: "audit" }],
  [
    POLICY,
    "ServerAuthorization",
    saz({ meshTLS: { identities: ["*"] }, networks: [{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }] }),
  ],
  [POLICY, "AuthorizationPolicy", authz(refs("MeshTLSAuthentication", "NetworkAuthentication"))],
  [POLICY, "AuthorizationPolicy", authz([], { kind: "Namespace", name: "shop" })],
  [POLICY, "AuthorizationPolicy", authz([], { group: GATEWAY, kind: "GRPCRoute", name: "r" })],
  [POLICY, "MeshTLSAuthentication", { identities: ["*", "*.a.b", "a.b", "spiffe://trust.d/path/a"] }],
  [
    POLICY,
    "MeshTLSAuthentication",
    {
      identityRefs: [
        { kind: "ServiceAccount", name: "a" },
        { kind: "Namespace", name: "b" },
      ],
    },
  ],
  [POLICY, "NetworkAuthentication", { networks: [{ cidr: "1.1.1.1" }, { cidr: "fd00::/8" }] }],
  [POLICY, "EgressNetwork", { trafficPolicy: "Allow" }],
  [POLICY, "HTTPLocalRateLimitPolicy", limit({ identity: { requestsPerSecond: 10 } })],
  [POLICY, "HTTPRoute", pathMatch("RegularExpression", "(?i)/a(?P<n>.+)")],
  [POLICY, "httproute", http({ timeouts: { request: "1m30s", backendRequest: "10s" } })],
  [
    GATEWAY,
    "HTTPRoute",
    http({ backendRefs: [{ name: "a", port: 80 }], filters: [{ type: "URLRewrite", urlRewrite: {} }] }),
  ],
  [GATEWAY, "HTTPRoute", undefined],
  [GATEWAY, "GRPCRoute", http({ matches: [{ method: { service: "s" } }] })],
  [GATEWAY, "TLSRoute", http({})],
];

test.each(GOOD)("a good %s %s is let through", (group, kind, spec) => {
  expect(check(group, kind, spec)).toEqual([]);
});

const BAD: readonly (readonly [says: string, group: string, kind: string, spec: unknown, problem: string])[] = [
  ["a kind nobody knows", POLICY, "Cake", {}, "Unknown kind Cake"],
  ["a Server without a spec", POLICY, "Server", undefined, "spec: nothing must be a map"],
  ["a Server without a port", POLICY, "Server", { podSelector: {} }, "spec.port: nothing must be a port number"],
  ["a port too high", POLICY, "Server", { podSelector: {}, port: 65536 }, "spec.port: 65536 must be"],
  [
    "an unknown protocol",
    POLICY,
    "Server",
    { podSelector: {}, port: 1, proxyProtocol: "QUIC" },
    'spec.proxyProtocol: "QUIC" must be one of unknown',
  ],
  [
    "an unknown access policy",
    POLICY,
    "Server",
    { podSelector: {}, port: 1, accessPolicy: "allow" },
    'spec.accessPolicy: "allow" must be one of all-un',
  ],
  [
    "both selectors",
    POLICY,
    "Server",
    { podSelector: {}, externalWorkloadSelector: {}, port: 1 },
    "exactly one of podSelector",
  ],
  [
    "unauthenticated with meshTLS",
    POLICY,
    "ServerAuthorization",
    saz({ unauthenticated: true, meshTLS: {} }),
    "exclude each other",
  ],
  [
    "any TLS with identities",
    POLICY,
    "ServerAuthorization",
    saz({ meshTLS: { unauthenticatedTLS: true, identities: ["a"] } }),
    "excludes identities",
  ],
  [
    "a bad network",
    POLICY,
    "ServerAuthorization",
    saz({ networks: [{ cidr: "10.0.0.0/33" }] }),
    'networks[0].cidr: "10.0.0.0/33" must be a network',
  ],
  [
    "another namespace as target",
    POLICY,
    "AuthorizationPolicy",
    authz([], { kind: "Namespace", name: "bank" }),
    `own namespace "shop"`,
  ],
  [
    "a target of another kind",
    POLICY,
    "AuthorizationPolicy",
    authz([], { kind: "Pod", name: "p" }),
    "spec.targetRef: ",
  ],
  [
    "no list of references",
    POLICY,
    "AuthorizationPolicy",
    authz(undefined),
    "requiredAuthenticationRefs: nothing must be a list",
  ],
  [
    "two mesh authentications",
    POLICY,
    "AuthorizationPolicy",
    authz(refs("MeshTLSAuthentication", "MeshTLSAuthentication")),
    "only one MeshTLS",
  ],
  [
    "two accounts",
    POLICY,
    "AuthorizationPolicy",
    authz(refs("ServiceAccount", "ServiceAccount")),
    "only one ServiceAccount",
  ],
  [
    "an account with a mesh authentication",
    POLICY,
    "AuthorizationPolicy",
    authz(refs("ServiceAccount", "MeshTLSAuthentication")),
    "exclude each other",
  ],
  [
    "two network authentications",
    POLICY,
    "AuthorizationPolicy",
    authz(refs("NetworkAuthentication", "NetworkAuthentication")),
    "only one Network",
  ],
  [
    "a reference of another kind",
    POLICY,
    "AuthorizationPolicy",
    authz(refs("Secret")),
    "requiredAuthenticationRefs[0]: ",
  ],
  ["an identity in capitals", POLICY, "MeshTLSAuthentication", { identities: ["A.b"] }, 'identities[0]: "A.b" must be'],
  [
    "a SPIFFE URI with dots as a segment",
    POLICY,
    "MeshTLSAuthentication",
    { identities: ["spiffe://a/../b"] },
    "identities[0]",
  ],
  [
    "a Namespace with a namespace",
    POLICY,
    "MeshTLSAuthentication",
    { identityRefs: [{ kind: "Namespace", name: "a", namespace: "b" }] },
    "has no namespace",
  ],
  ["neither identities nor references", POLICY, "MeshTLSAuthentication", {}, "exactly one of identities"],
  ["no networks", POLICY, "NetworkAuthentication", { networks: [] }, "at least one network"],
  [
    "a hole outside its network",
    POLICY,
    "NetworkAuthentication",
    { networks: [{ cidr: "10.0.0.0/8", except: ["11.0.0.0/16"] }] },
    "except[0]",
  ],
  [
    "a hole as large as its network",
    POLICY,
    "NetworkAuthentication",
    { networks: [{ cidr: "10.0.0.0/8", except: ["10.0.0.0/8"] }] },
    "leaves some of it",
  ],
  [
    "an empty list of egress networks",
    POLICY,
    "EgressNetwork",
    { trafficPolicy: "Deny", networks: [] },
    "at least one network",
  ],
  [
    "an unknown traffic policy",
    POLICY,
    "EgressNetwork",
    { trafficPolicy: "Maybe" },
    'trafficPolicy: "Maybe" must be Allow or Deny',
  ],
  [
    "a rate of 0",
    POLICY,
    "HTTPLocalRateLimitPolicy",
    limit({ total: { requestsPerSecond: 0 } }),
    "total.requestsPerSecond: 0 must be",
  ],
  [
    "an identity rate above the total",
    POLICY,
    "HTTPLocalRateLimitPolicy",
    limit({ identity: { requestsPerSecond: 11 } }),
    "at most spec.total's 10",
  ],
  [
    "an override for a namespace",
    POLICY,
    "HTTPLocalRateLimitPolicy",
    limit({ overrides: [{ requestsPerSecond: 1, clientRefs: [{ kind: "Namespace", name: "a" }] }] }),
    "clientRefs[0]",
  ],
  ["a path without a slash", POLICY, "HTTPRoute", pathMatch("Exact", "api"), 'path.value: "api" must be a path'],
  [
    "a regular expression that does not compile",
    GATEWAY,
    "HTTPRoute",
    pathMatch("RegularExpression", "/("),
    "must be a regular expression",
  ],
  [
    "a header name with a space",
    GATEWAY,
    "HTTPRoute",
    http({ matches: [{ headers: [{ name: "a b", value: "" }] }] }),
    'headers[0].name: "a b"',
  ],
  [
    "a header value with a newline",
    GATEWAY,
    "GRPCRoute",
    http({ filters: [{ requestHeaderModifier: { set: [{ name: "a", value: "b\nc" }] } }] }),
    "set[0].value",
  ],
  [
    "a redirect to a relative path",
    GATEWAY,
    "HTTPRoute",
    http({ filters: [{ requestRedirect: { path: { type: "ReplaceFullPath", replaceFullPath: "a" } } }] }),
    "replaceFullPath",
  ],
  [
    "an egress parent without a port",
    GATEWAY,
    "HTTPRoute",
    http({}, [egress]),
    "spec.parentRefs[0]: an EgressNetwork needs a port",
  ],
  [
    "a Service backend without a port",
    GATEWAY,
    "HTTPRoute",
    http({ backendRefs: [{ name: "a" }] }),
    "backendRefs[0].port: nothing must be",
  ],
  [
    "a negative timeout",
    POLICY,
    "HTTPRoute",
    http({ timeouts: { request: "-1s" } }),
    'timeouts.request: "-1s" must be a duration',
  ],
  [
    "a backend timeout above the request's",
    POLICY,
    "HTTPRoute",
    http({ timeouts: { request: "1s", backendRequest: "2s" } }),
    "at most request, 1s",
  ],
  [
    "a gRPC method as a regular expression",
    GATEWAY,
    "GRPCRoute",
    http({ matches: [{ method: { type: "RegularExpression", service: ".*" } }] }),
    "not matched by regular",
  ],
  ["two rules of a TCPRoute", GATEWAY, "TCPRoute", { parentRefs: [], rules: [{}, {}] }, "exactly one rule"],
  ["rules that are no list", POLICY, "HTTPRoute", { rules: {} }, "spec.rules: {} must be a list"],
];

test.each(BAD)("%s is refused, and named", (_says, group, kind, spec, problem) => {
  const problems = check(group, kind, spec);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(problem);
});

test("a bad annotation counts where the route has a Service or egress network as parent", () => {
  const annotations = { "timeout.linkerd.io/request": "1m30s" };
  expect(check(GATEWAY, "HTTPRoute", http({}), annotations)[0]).toContain(
    'timeout.linkerd.io/request: "1m30s" must be',
  );
  expect(check(POLICY, "HTTPRoute", http({}, [server]), annotations)).toEqual([]);
});

const HOSTILE: readonly unknown[] = [
  null,
  0,
  "",
  "x",
  [],
  [[]],
  [null],
  { parentRefs: null },
  { rules: [null, 1] },
  { targetRef: [] },
];

test("whatever somebody applies, the answer is a list of problems and never an exception", () => {
  for (const kind of [
    "Server",
    "ServerAuthorization",
    "AuthorizationPolicy",
    "MeshTLSAuthentication",
    "NetworkAuthentication",
    "EgressNetwork",
    "HTTPLocalRateLimitPolicy",
    "HTTPRoute",
  ]) {
    for (const spec of HOSTILE) expect(Array.isArray(check(POLICY, kind, spec))).toBe(true);
  }
});
