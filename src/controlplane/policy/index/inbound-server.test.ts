import { expect, test } from "bun:test";
import { formatIp, IpNetwork } from "#net/address";
import { type Authz, type HttpRoute, Server } from "#proto/inbound";
import { type Cluster, type Loose, policyConfig, policyObjects } from "../../../../test/support/policy-objects.ts";
import { ipFromMessage } from "../core/addresses.ts";
import { inboundServer } from "./inbound-server.ts";
import type { PolicyConfig } from "./objects.ts";

const pod = (annotations: Record<string, string> = {}, spec: Record<string, unknown> = {}): Loose => ({
  metadata: { name: "web-1", labels: { app: "web" }, annotations },
  spec: {
    containers: [
      {
        name: "app",
        ports: [{ name: "http", containerPort: 8080 }, { containerPort: 9000 }],
        livenessProbe: { httpGet: { path: "/live?full=1", port: "http" } },
        readinessProbe: { httpGet: { port: 8080 } },
      },
    ],
    ...spec,
  },
});
const server = (name: string, spec: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): Loose => ({
  metadata: { name, labels: { role: name }, ...metadata },
  spec: { podSelector: { matchLabels: { app: "web" } }, port: 8080, ...spec },
});

function build(cluster: Cluster, port = 8080, config: Partial<PolicyConfig> = {}): Server {
  const objects = policyObjects({ pods: [pod()], ...cluster });
  const ref = { namespace: "shop", kind: "pod", name: "web-1" } as const;
  const message = inboundServer(objects, policyConfig(config), ref, port)!;
  return Server.decode(Server.encode(message).finish()); // as a proxy sees it
}

/** An authorization as one line: its name, whom it takes, from where. */
function line({ labels, networks, authentication }: Authz): string {
  const from = networks.map(({ net, except }) => {
    const holes = except.map((one) => `-${formatIp(ipFromMessage(one.ip)!)}/${one.prefixLen}`).join("");
    return `${formatIp(ipFromMessage(net?.ip)!)}/${net?.prefixLen}${holes}`;
  });
  return `${labels["kind"]}/${labels["name"]}: ${whom(authentication)} from ${from.join(" ")}`;
}

function whom(authentication: Authz["authentication"]): string {
  const permit = authentication?.permit;
  if (permit?.$case !== "meshTLS") return "anyone";
  const { clients } = permit.value;
  if (clients?.$case !== "identities") return "any TLS";
  const suffixes = clients.value.suffixes.map(({ parts }) => ["*", ...parts].join("."));
  return [...clients.value.identities.map(({ name }) => name), ...suffixes].join(",");
}

const ALL = "0.0.0.0/0 ::/0";
const NS = "shop.serviceaccount.identity.linkerd.cluster.local";

const DEFAULTS: readonly (readonly [policy: string, authorizations: string[]])[] = [
  ["all-unauthenticated", [`default/all-unauthenticated: anyone from ${ALL}`]],
  ["all-authenticated", [`default/all-authenticated: * from ${ALL}`]],
  ["cluster-unauthenticated", ["default/cluster-unauthenticated: anyone from 10.0.0.0/8"]],
  ["cluster-authenticated", ["default/cluster-authenticated: * from 10.0.0.0/8"]],
  ["audit", [`default/audit: anyone from ${ALL}`]],
  ["deny", []],
];

for (const [policy, authorizations] of DEFAULTS) {
  test(`the default policy ${policy} of a pod stands for its ports`, () => {
    const message = build({ pods: [pod({ "config.linkerd.io/default-inbound-policy": policy })] });
    expect(message.authorizations.map(line)).toEqual(authorizations);
    expect(message.labels).toEqual({ group: "", kind: "default", name: policy });
  });

  test(`the access policy ${policy} of a Server stands for its port`, () => {
    const message = build({ servers: [server("web", { accessPolicy: policy })] });
    expect(message.authorizations.map(line)).toEqual(authorizations);
  });
}

test("a default policy that nobody knows leaves the controller's own in force", () => {
  const pods = [pod({ "config.linkerd.io/default-inbound-policy": "allow" })];
  expect(build({ pods }, 8080, { defaultPolicy: "deny" }).labels["name"]).toBe("deny");
});

const REQUIRED: readonly (readonly [policy: string, required: string])[] = [
  ["all-unauthenticated", "all-authenticated"],
  ["cluster-unauthenticated", "cluster-authenticated"],
  ["deny", "deny"],
  ["audit", "audit"],
];

test.each(REQUIRED)("a port that demands an identity turns %s into %s, other ports not", (policy, required) => {
  const pods = [
    pod({
      "config.linkerd.io/default-inbound-policy": policy,
      "config.linkerd.io/proxy-require-identity-inbound-ports": "http,7000-7999",
    }),
  ];
  expect(build({ pods }, 8080).labels["name"]).toBe(required);
  expect(build({ pods }, 7500).labels["name"]).toBe(required);
  expect(build({ pods }, 9000).labels["name"]).toBe(policy);
});

test("opaque ports count as the pod lists them, by number, range or name, bad entries aside; not by the default list", () => {
  const pods = [pod({ "config.linkerd.io/opaque-ports": "http,9000-9100,nonsense" })];
  const kind = (port: number) => build({ pods }, port).protocol?.kind?.$case;
  expect([kind(8080), kind(9050), kind(80)]).toEqual(["opaque", "opaque", "detect"]);
  expect(build({}, 3306).protocol?.kind?.$case).toBe("detect");
});

function httpRoutes({ protocol }: Server): HttpRoute[] {
  return protocol?.kind?.$case === "detect" ? protocol.kind.value.httpRoutes : [];
}

const routeName = ({ metadata }: HttpRoute): string | undefined =>
  metadata?.kind?.$case === "resource" ? metadata.kind.value.name : metadata?.kind?.value;

test("kubelets may ask after health on the ports they probe, whatever the port demands", () => {
  const routes = httpRoutes(build({}));
  expect(routes.map(routeName)).toEqual(["probe", "default"]);
  const paths = routes[0]?.rules[0]?.matches.map(({ path, method }) => [path?.kind?.value, method?.type?.value]);
  expect(paths).toEqual([
    ["/", 0],
    ["/live", 0],
  ]);
  expect(routes[0]?.authorizations.map(line)).toEqual(["default/probe: anyone from 0.0.0.0/0"]);
  expect(httpRoutes(build({}, 9000)).map(routeName)).toEqual(["default"]);
  expect(httpRoutes(build({}, 8080, { probeNetworks: [] })).map(routeName)).toEqual(["default"]);
});

const PROTOCOLS: readonly (readonly [proxyProtocol: string | undefined, kind: string])[] = [
  [undefined, "detect"],
  ["unknown", "detect"],
  ["HTTP/1", "http1"],
  ["HTTP/2", "http2"],
  ["gRPC", "grpc"],
  ["opaque", "opaque"],
  ["TLS", "tls"],
];

test.each(PROTOCOLS)("a Server's proxyProtocol %p is told as %s", (proxyProtocol, kind) => {
  const message = build({ servers: [server("web", proxyProtocol ? { proxyProtocol } : {})] });
  expect(message.protocol?.kind?.$case as string).toBe(kind);
});

test("a Server of an unknown protocol, another port, other labels or another namespace is not there", () => {
  const servers = [
    server("protocol", { proxyProtocol: "QUIC" }),
    server("port", { port: 9000 }),
    server("labels", { podSelector: { matchLabels: { app: "db" } } }),
    server("elsewhere", {}, { namespace: "other" }),
    server("external", { podSelector: undefined, externalWorkloadSelector: {} }),
  ];
  expect(build({ servers }).labels["kind"]).toBe("default");
});

test("of Servers that claim one port, by number or by name, the oldest has it", () => {
  const servers = [
    server("young", {}, { creationTimestamp: "2024-02-01T00:00:00Z" }),
    server("old", { port: "http" }, { creationTimestamp: "2024-01-01T00:00:00Z" }),
  ];
  expect(build({ servers }).labels["name"]).toBe("old");
});

const target = (kind: string, name: string, group = "policy.linkerd.io") => ({ group, kind, name });
const policy = (name: string, targetRef: unknown, refs: unknown[]): Loose => ({
  metadata: { name },
  spec: { targetRef, requiredAuthenticationRefs: refs },
});
const MESH = { group: "policy.linkerd.io", kind: "MeshTLSAuthentication", name: "friends" };
const NET = { group: "policy.linkerd.io", kind: "NetworkAuthentication", name: "lan" };

const AUTHORIZED: readonly (readonly [says: string, cluster: Cluster, lines: string[]])[] = [
  [
    "identities and networks together",
    {
      authorizationPolicies: [policy("both", target("Server", "web"), [MESH, NET])],
      meshTlsAuthentications: [{ metadata: { name: "friends" }, spec: { identities: ["a.b", "*.c.d", "*"] } }],
      networkAuthentications: [
        { metadata: { name: "lan" }, spec: { networks: [{ cidr: "192.168.0.0/16", except: ["192.168.1.0/24"] }] } },
      ],
    },
    ["authorizationpolicy/both: a.b,*.c.d,* from 192.168.0.0/16-192.168.1.0/24"],
  ],
  [
    "a ServiceAccount of another namespace",
    {
      authorizationPolicies: [
        policy("sa", target("Server", "web"), [{ kind: "ServiceAccount", name: "api", namespace: "shop" }]),
      ],
    },
    [`authorizationpolicy/sa: api.${NS} from ${ALL}`],
  ],
  [
    "references to ServiceAccounts and Namespaces",
    {
      authorizationPolicies: [policy("refs", target("Server", "web"), [MESH])],
      meshTlsAuthentications: [
        {
          metadata: { name: "friends" },
          spec: {
            identityRefs: [
              { kind: "ServiceAccount", name: "api" },
              { kind: "Namespace", name: "shop" },
            ],
          },
        },
      ],
    },
    [`authorizationpolicy/refs: api.${NS},*.${NS} from ${ALL}`],
  ],
  [
    "a whole namespace as target, nothing required",
    { authorizationPolicies: [policy("open", target("Namespace", "shop", ""), [])] },
    [`authorizationpolicy/open: anyone from ${ALL}`],
  ],
  [
    "a reference that leads nowhere grants nothing",
    { authorizationPolicies: [policy("broken", target("Server", "web"), [MESH])] },
    [],
  ],
  [
    "two identity sources grant nothing",
    {
      authorizationPolicies: [
        policy("two", target("Server", "web"), [
          { kind: "ServiceAccount", name: "a" },
          { kind: "ServiceAccount", name: "b" },
        ]),
      ],
    },
    [],
  ],
  [
    "a kind that nobody knows grants nothing",
    { authorizationPolicies: [policy("odd", target("Server", "web"), [{ kind: "Secret", name: "a" }])] },
    [],
  ],
  [
    "another Server's policy is not this one's",
    { authorizationPolicies: [policy("other", target("Server", "db"), [])] },
    [],
  ],
  [
    "a ServerAuthorization by name, the cluster's networks by default",
    {
      serverAuthorizations: [
        { metadata: { name: "sa" }, spec: { server: { name: "web" }, client: { unauthenticated: true } } },
      ],
    },
    ["serverauthorization/sa: anyone from 10.0.0.0/8"],
  ],
  [
    "a ServerAuthorization by selector, with accounts",
    {
      serverAuthorizations: [
        {
          metadata: { name: "sa" },
          spec: {
            server: { selector: { matchLabels: { role: "web" } } },
            client: {
              networks: [{ cidr: "1.1.1.1" }],
              meshTLS: { identities: ["x.y"], serviceAccounts: [{ name: "api" }] },
            },
          },
        },
      ],
    },
    [`serverauthorization/sa: x.y,api.${NS} from 1.1.1.1/32`],
  ],
  [
    "a ServerAuthorization that states nobody grants nothing",
    {
      serverAuthorizations: [{ metadata: { name: "sa" }, spec: { server: { name: "web" }, client: { meshTLS: {} } } }],
    },
    [],
  ],
];

test.each(AUTHORIZED)("authorizations: %s", (_says, cluster, lines) => {
  expect(build({ servers: [server("web")], ...cluster }).authorizations.map(line)).toEqual(lines);
});

const route = (name: string, more: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): Loose => ({
  metadata: { name, ...metadata },
  spec: { parentRefs: [target("Server", "web")], rules: [{ matches: [{ path: { value: "/api" } }] }], ...more },
});

test("routes of both groups take the place of default and probe routes, oldest first, with their own authorizations", () => {
  const message = build({
    servers: [server("web")],
    policyHttpRoutes: [route("young", {}, { creationTimestamp: "2024-02-01T00:00:00Z" })],
    gatewayHttpRoutes: [route("old", {}, { creationTimestamp: "2024-01-01T00:00:00Z" })],
    authorizationPolicies: [policy("for-old", target("HTTPRoute", "old", "gateway.networking.k8s.io"), [])],
  });
  const routes = httpRoutes(message);
  expect(routes.map(routeName)).toEqual(["old", "young"]);
  expect(routes.map(({ authorizations }) => authorizations.map(line))).toEqual([
    [`authorizationpolicy/for-old: anyone from ${ALL}`],
    [],
  ]);
});

const UNATTACHED: readonly (readonly [
  says: string,
  more: Record<string, unknown>,
  metadata?: Record<string, unknown>,
])[] = [
  ["a port on its parent", { parentRefs: [{ ...target("Server", "web"), port: 8080 }] }],
  ["a section on its parent", { parentRefs: [{ ...target("Server", "web"), sectionName: "x" }] }],
  ["another Server as parent", { parentRefs: [target("Server", "db")] }],
  ["a Service as parent", { parentRefs: [target("Service", "web", "")] }],
  ["another namespace", { parentRefs: [{ ...target("Server", "web"), namespace: "shop" }] }, { namespace: "other" }],
  ["a match of an unknown type", { rules: [{ matches: [{ path: { type: "Glob", value: "/*" } }] }] }],
];

for (const [says, more, metadata] of UNATTACHED) {
  test(`a route with ${says} does not count`, () => {
    const message = build({ servers: [server("web")], policyHttpRoutes: [route("r", more, metadata)] });
    expect(httpRoutes(message).map(routeName)).toEqual(["probe", "default"]);
  });
}

test("a filter that cannot be honoured fails its rule and says so", () => {
  const rules = [{ filters: [{ type: "RequestMirror", requestMirror: {} }] }, {}];
  const [sent] = httpRoutes(build({ servers: [server("web")], gatewayHttpRoutes: [route("r", { rules })] }));
  const failures = sent?.rules.map(({ filters: [filter] }) =>
    filter?.kind?.$case === "failureInjector" ? filter.kind.value.message : "none",
  );
  expect(failures).toEqual(["Unsupported route filter RequestMirror", "none"]);
});

test("the oldest rate limit of a Server is told, accounts as identities; gRPC Servers have none", () => {
  const rateLimits = [
    {
      metadata: { name: "limit" },
      spec: {
        targetRef: target("Server", "web"),
        total: { requestsPerSecond: 100 },
        identity: { requestsPerSecond: 10 },
        overrides: [{ requestsPerSecond: 50, clientRefs: [{ kind: "ServiceAccount", name: "api" }] }],
      },
    },
  ];
  const message = build({ servers: [server("web", { proxyProtocol: "HTTP/1" })], rateLimits });
  const limit = message.protocol?.kind?.$case === "http1" ? message.protocol.kind.value.localRateLimit : undefined;
  expect(limit?.total?.requestsPerSecond).toBe(100);
  expect(limit?.identity?.requestsPerSecond).toBe(10);
  expect(limit?.overrides[0]?.clients?.identities).toEqual([{ name: `api.${NS}` }]);
});

test("an external workload's ports are found by name; it has no probes", () => {
  const objects = policyObjects({
    externalWorkloads: [
      { metadata: { name: "vm", labels: { app: "vm" } }, spec: { ports: [{ name: "http", port: 80 }] } },
    ],
    servers: [
      server("vm", { podSelector: undefined, externalWorkloadSelector: { matchLabels: { app: "vm" } }, port: "http" }),
    ],
  });
  const ref = { namespace: "shop", kind: "external-workload", name: "vm" } as const;
  expect(inboundServer(objects, policyConfig(), ref, 80)?.labels["name"]).toBe("vm");
  expect(inboundServer(objects, policyConfig(), { ...ref, name: "no" }, 80)).toBeUndefined();
});

test("IPv6 networks keep their bits on the wire", () => {
  const clusterNetworks = [IpNetwork.parse("fd00::/8")!];
  const message = build({}, 8080, { clusterNetworks, defaultPolicy: "cluster-unauthenticated" });
  expect(message.authorizations.map(line)).toEqual(["default/cluster-unauthenticated: anyone from fd00::/8"]);
});
