import { expect, test } from "bun:test";
import { type Cluster, type Loose, policyConfig, policyObjects } from "../../../../test/support/policy-objects.ts";
import { type AnyRoute, CONTROLLER_NAME, egressConditions, rateLimitConditions, routeParents } from "./status.ts";

const NOW = "2026-01-01T00:00:00Z";
const SERVER = { group: "policy.linkerd.io", kind: "Server", name: "web" };
const SERVICE = { group: "", kind: "Service", name: "web", port: 80 };
const web: Loose = { metadata: { name: "web" }, spec: { clusterIP: "10.96.0.1", ports: [{ port: 80 }] } };
const route = (
  parentRef: unknown,
  more: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
): Loose => ({
  metadata: { name: "r", namespace: "shop", generation: 2, ...metadata },
  spec: { parentRefs: [parentRef], rules: [{ backendRefs: more["backendRefs"] }] },
  ...(more["status"] ? { status: more["status"] } : {}),
});

function reasons(cluster: Cluster, object: Loose): string[] {
  const objects = policyObjects({ ...cluster, gatewayHttpRoutes: [object] });
  return routeParents(objects, "HTTPRoute", object as unknown as AnyRoute, NOW).flatMap(({ conditions = [] }) =>
    conditions.map(({ type, status, reason }) => `${type}=${status} ${reason}`),
  );
}

const grpc: Loose = { metadata: { name: "g" }, spec: { parentRefs: [SERVICE] } };
const OK = ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"];

const CASES: readonly (readonly [says: string, cluster: Cluster, object: Loose, expected: string[]])[] = [
  ["a Server that is there", { servers: [web] }, route(SERVER), ["Accepted=True Accepted"]],
  ["a Server that is not", {}, route(SERVER), ["Accepted=False NoMatchingParent"]],
  [
    "a Server of another namespace",
    { servers: [web] },
    route({ ...SERVER, namespace: "other" }),
    ["Accepted=False NoMatchingParent"],
  ],
  ["a port on a Server", { servers: [web] }, route({ ...SERVER, port: 80 }), ["Accepted=False UnsupportedValue"]],
  ["a Service that is there", { services: [web] }, route(SERVICE), OK],
  ["a Service that is not", {}, route(SERVICE), ["Accepted=False NoMatchingParent", "ResolvedRefs=True ResolvedRefs"]],
  [
    "a headless Service",
    { services: [{ ...web, spec: { clusterIP: "None" } }] },
    route(SERVICE),
    ["Accepted=False NoMatchingParent", "ResolvedRefs=True ResolvedRefs"],
  ],
  [
    "a missing backend",
    { services: [web] },
    route(SERVICE, { backendRefs: [{ name: "gone", port: 80 }] }),
    ["Accepted=True Accepted", "ResolvedRefs=False BackendNotFound"],
  ],
  [
    "a backend of another kind",
    { services: [web] },
    route(SERVICE, { backendRefs: [{ kind: "Bucket", name: "b", port: 80 }] }),
    ["Accepted=True Accepted", "ResolvedRefs=False InvalidKind"],
  ],
  [
    "a gRPC route with the same parent",
    { services: [web], grpcRoutes: [grpc] },
    route(SERVICE),
    ["Accepted=False RouteReasonConflicted", "ResolvedRefs=True ResolvedRefs"],
  ],
  ["a gRPC route with another port", { services: [web], grpcRoutes: [grpc] }, route({ ...SERVICE, port: 81 }), OK],
  [
    "an annotation that cannot be read",
    { services: [web] },
    route(SERVICE, {}, { annotations: { "timeout.linkerd.io/request": "soon" } }),
    ["Accepted=False UnsupportedValue", "ResolvedRefs=True ResolvedRefs"],
  ],
  ["a Gateway is somebody else's", {}, route({ group: "gateway.networking.k8s.io", kind: "Gateway", name: "web" }), []],
];

test.each(CASES)("a route's status: %s", (_says, cluster, object, expected) => {
  expect(reasons(cluster, object)).toEqual(expected);
});

test("entries of other controllers stay, and instants move only with the verdict", () => {
  const foreign = { parentRef: SERVICE, controllerName: "example.com/other", conditions: [] };
  const old = (status: string) => ({
    type: "Accepted",
    status,
    reason: "x",
    message: "",
    lastTransitionTime: "2020-01-01T00:00:00Z",
  });
  const parents = (status: string) => [
    foreign,
    { parentRef: SERVICE, controllerName: CONTROLLER_NAME, conditions: [old(status)] },
  ];
  const judged = (status: string) => {
    const object = route(SERVICE, { status: { parents: parents(status) } });
    return routeParents(policyObjects({ services: [web] }), "HTTPRoute", object as unknown as AnyRoute, NOW);
  };
  expect(judged("True")[0]).toEqual(foreign);
  expect(judged("True")[1]?.conditions?.[0]?.lastTransitionTime).toBe("2020-01-01T00:00:00Z");
  expect(judged("False")[1]?.conditions?.[0]?.lastTransitionTime).toBe(NOW);
  expect(judged("True")[1]?.conditions?.[0]?.observedGeneration).toBe(2);
});

test("of two rate limits on one Server the older is accepted", () => {
  const limit = (name: string, creationTimestamp: string): Loose => ({
    metadata: { name, namespace: "shop", creationTimestamp },
    spec: { targetRef: SERVER },
  });
  const [old, young] = [limit("b", "2024-01-01T00:00:00Z"), limit("a", "2024-02-01T00:00:00Z")];
  const objects = policyObjects({ servers: [web], rateLimits: [old!, young!] });
  const reason = (object: Loose) => rateLimitConditions(objects, object as never, NOW)[0]?.reason;
  expect([reason(old!), reason(young!)]).toEqual(["Accepted", "RateLimitReasonAlreadyExists"]);
});

test("an egress network that claims a part of the cluster is not accepted", () => {
  const reason = (networks: unknown) =>
    egressConditions(
      policyConfig(),
      { metadata: { name: "e" }, spec: { trafficPolicy: "Allow", networks } } as never,
      NOW,
    )[0]?.reason;
  expect(reason(undefined)).toBe("Accepted");
  expect(reason([{ cidr: "1.0.0.0/8" }])).toBe("Accepted");
  expect(reason([{ cidr: "0.0.0.0/0" }])).toBe("EgressReasonNetworkOverlap");
  expect(reason([{ cidr: "0.0.0.0/0", except: ["10.0.0.0/8"] }])).toBe("Accepted");
  expect(reason([{ cidr: "10.1.0.0/16" }])).toBe("EgressReasonNetworkOverlap");
});
