/** What the controller says about objects in their status. Pure: the writer compares and patches. */
import type {
  BackendRef,
  Condition,
  EgressNetwork,
  HttpLocalRateLimitPolicy,
  KubeObject,
  ParentRef,
  RouteParentStatus,
  RouteStatus,
} from "#kube/types";
import { IpNetwork } from "#net/address";
import { grpcRetry, httpRetry, timeoutSettings } from "../core/route-settings.ts";
import { BY_PARENT, byAge, type PolicyConfig, type PolicyObjects, parentKey, parseNetworks } from "./objects.ts";
import { backendProblem } from "./outbound-backend.ts";

export const CONTROLLER_NAME = "linkerd.io/policy-controller";

/** Kinds of route, the one that hides the others first. */
export const ROUTE_KINDS = ["GRPCRoute", "HTTPRoute", "TLSRoute", "TCPRoute"] as const;
export type RouteKind = (typeof ROUTE_KINDS)[number];

export type AnyRoute = KubeObject & {
  spec?: { parentRefs?: ParentRef[]; rules?: { backendRefs?: BackendRef[] }[] };
  status?: RouteStatus;
};

type Verdict = Pick<Condition, "status" | "reason" | "message">;

/**
 * The `status.parents` that a route should have: one entry for each parent that is ours to judge, entries of other
 * controllers as they are. Instants are kept where nothing changed.
 */
export function routeParents(
  objects: PolicyObjects,
  kind: RouteKind,
  route: AnyRoute,
  now: string,
): RouteParentStatus[] {
  const present = route.status?.parents ?? [];
  const foreign = present.filter(({ controllerName }) => controllerName !== CONTROLLER_NAME);
  const namespace = route.metadata.namespace ?? "";
  const ours = (route.spec?.parentRefs ?? []).flatMap((ref) => {
    const parent = parentOf(objects, ref, namespace);
    if (!parent) return [];
    const accepted = acceptance(objects, kind, route, ref, parent);
    const verdicts = {
      Accepted: accepted,
      ...(parent.isOutbound ? { ResolvedRefs: references(objects, route, parent) } : {}),
    };
    const before = present.find((entry) => entry.controllerName === CONTROLLER_NAME && isSameRef(entry.parentRef, ref));
    return [
      {
        parentRef: ref,
        controllerName: CONTROLLER_NAME,
        conditions: conditions(route, verdicts, before?.conditions, now),
      },
    ];
  });
  return [...foreign, ...ours];
}

interface JudgedParent {
  readonly key: string;
  readonly namespace: string;
  readonly routeKey: string;
  readonly exists: boolean;
  readonly isOutbound: boolean;
}

/** Undefined for parents that are somebody else's to judge. */
function parentOf(objects: PolicyObjects, ref: ParentRef, routeNamespace: string): JudgedParent | undefined {
  const key = parentKey(ref, routeNamespace);
  const namespace = ref.namespace ?? routeNamespace;
  const judged = { key, namespace, routeKey: key };
  if (key.startsWith("policy.linkerd.io/server/")) {
    const exists = namespace === routeNamespace && objects.servers.get(ref.name, namespace) !== undefined;
    return { ...judged, exists, isOutbound: false };
  }
  if (key.startsWith("policy.linkerd.io/egressnetwork/")) {
    return { ...judged, exists: objects.egressNetworks.get(ref.name, namespace) !== undefined, isOutbound: true };
  }
  if (!key.startsWith("/service/")) return undefined;
  const spec = objects.services.get(ref.name, namespace)?.spec;
  const exists = spec !== undefined && spec.clusterIP !== "None" && spec.type !== "ExternalName";
  return { ...judged, exists, isOutbound: true };
}

function acceptance(
  objects: PolicyObjects,
  kind: RouteKind,
  route: AnyRoute,
  ref: ParentRef,
  parent: JudgedParent,
): Verdict {
  if (!parent.exists)
    return {
      status: "False",
      reason: "NoMatchingParent",
      message: `There is no ${ref.kind} ${parent.namespace}/${ref.name} that takes routes`,
    };
  if (!parent.isOutbound && (ref.port !== undefined || ref.sectionName !== undefined)) {
    return { status: "False", reason: "UnsupportedValue", message: "A Server takes no port and no sectionName" };
  }
  const problem = parent.isOutbound ? annotationProblem(kind, route) : undefined;
  if (problem) return { status: "False", reason: "UnsupportedValue", message: problem };
  const winner = ROUTE_KINDS.slice(0, ROUTE_KINDS.indexOf(kind)).find((higher) =>
    hasRoute(objects, higher, ref, parent),
  );
  if (!winner) return { status: "True", reason: "Accepted", message: "" };
  return {
    status: "False",
    reason: "RouteReasonConflicted",
    message: `A ${winner} has the same parent and goes first`,
  };
}

function annotationProblem(kind: RouteKind, { metadata: { annotations = {} } }: AnyRoute): string | undefined {
  if (kind !== "HTTPRoute" && kind !== "GRPCRoute") return undefined;
  const retry = kind === "HTTPRoute" ? httpRetry(annotations) : grpcRetry(annotations);
  return timeoutSettings(annotations).error ?? retry.error;
}

function hasRoute(objects: PolicyObjects, kind: RouteKind, ref: ParentRef, { key }: JudgedParent): boolean {
  const stores = {
    GRPCRoute: [objects.grpcRoutes],
    HTTPRoute: [objects.policyHttpRoutes, objects.gatewayHttpRoutes],
    TLSRoute: [objects.tlsRoutes],
    TCPRoute: [objects.tcpRoutes],
  }[kind];
  return stores.some((store) =>
    store
      .byIndex(BY_PARENT, key)
      .some((route: AnyRoute) =>
        (route.spec?.parentRefs ?? []).some(
          (other) => parentKey(other, route.metadata.namespace ?? "") === key && other.port === ref.port,
        ),
      ),
  );
}

function references(objects: PolicyObjects, route: AnyRoute, parent: JudgedParent): Verdict {
  for (const { backendRefs = [] } of route.spec?.rules ?? []) {
    for (const ref of backendRefs) {
      const problem = backendProblem(objects, parent, ref);
      if (problem) return { status: "False", ...problem };
    }
  }
  return { status: "True", reason: "ResolvedRefs", message: "" };
}

function isSameRef(a: ParentRef, b: ParentRef): boolean {
  const fields = ["group", "kind", "name", "namespace", "port", "sectionName"] as const;
  return fields.every((field) => a[field] === b[field]);
}

/** The condition of a rate limit: the oldest of a Server counts. */
export function rateLimitConditions(
  objects: PolicyObjects,
  policy: HttpLocalRateLimitPolicy,
  now: string,
): Condition[] {
  const { namespace = "" } = policy.metadata;
  const { targetRef } = policy.spec;
  const [oldest] = objects.rateLimits
    .list(namespace)
    .filter((other) => other.spec.targetRef.name === targetRef.name)
    .sort(byAge);
  const accepted: Verdict = !objects.servers.get(targetRef.name, namespace)
    ? { status: "False", reason: "NoMatchingTarget", message: `There is no Server ${namespace}/${targetRef.name}` }
    : oldest && oldest.metadata.name !== policy.metadata.name
      ? { status: "False", reason: "RateLimitReasonAlreadyExists", message: `${oldest.metadata.name} is older` }
      : { status: "True", reason: "Accepted", message: "" };
  return conditions(policy, { Accepted: accepted }, policy.status?.conditions, now);
}

/** The condition of an egress network: it must not claim a part of the cluster. */
export function egressConditions(config: PolicyConfig, network: EgressNetwork, now: string): Condition[] {
  const blocks = parseNetworks(network.spec.networks ?? [], IpNetwork.parse) ?? [];
  const overlaps = config.clusterNetworks.some((inside) =>
    blocks.some(
      ({ net, except }) =>
        (net.contains(inside.bytes) || inside.contains(net.bytes)) &&
        !except.some((hole) => hole.contains(inside.bytes)),
    ),
  );
  const accepted: Verdict = overlaps
    ? { status: "False", reason: "EgressReasonNetworkOverlap", message: "A network overlaps the cluster's; except it" }
    : { status: "True", reason: "Accepted", message: "" };
  return conditions(network, { Accepted: accepted }, network.status?.conditions, now);
}

function conditions(
  { metadata: { generation } }: KubeObject,
  verdicts: Readonly<Record<string, Verdict>>,
  before: readonly Condition[] | undefined,
  now: string,
): Condition[] {
  return Object.entries(verdicts).map(([type, verdict]) => {
    const old = before?.find((condition) => condition.type === type);
    const lastTransitionTime = old?.status === verdict.status ? old.lastTransitionTime : now;
    return {
      type,
      ...verdict,
      lastTransitionTime,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
}
