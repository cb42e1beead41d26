import type { GrpcRoute, HttpLocalRateLimitPolicy, HttpRoute, HttpRouteFilter, ParentRef, Server } from "#kube/types";
import type { GrpcRoute as GrpcMessage, HttpLocalRateLimit, HttpRoute as HttpMessage } from "#proto/inbound";
import { GATEWAY_GROUP, POLICY_GROUP, resourceMetadata } from "../core/metadata.ts";
import { routeAuthorizations, serviceAccountIdentity } from "./inbound-authorizations.ts";
import { BY_PARENT, byAge, type PolicyConfig, type PolicyObjects, parentKey, serverKey } from "./objects.ts";
import {
  allDefined,
  grpcMatchMessages,
  headerModifier,
  hostMessage,
  httpMatchMessages,
  redirectMessage,
} from "./route-parts.ts";

/** The HTTP routes of both groups that are attached to a Server and in force, oldest first. */
export function serverHttpRoutes(objects: PolicyObjects, config: PolicyConfig, server: Server): HttpMessage[] {
  const of = (group: string, routes: HttpRoute[]) => routes.map((route) => ({ group, route }));
  const key = keyOf(server);
  const attached = [
    ...of(POLICY_GROUP, objects.policyHttpRoutes.byIndex(BY_PARENT, key)),
    ...of(GATEWAY_GROUP, objects.gatewayHttpRoutes.byIndex(BY_PARENT, key)),
  ];
  const grpc = acceptedGrpcRoutes(objects, server);
  return attached
    .filter(({ route }) => isAttached(route, server) && !grpc.some((other) => isAttached(other, server)))
    .sort((a, b) => byAge(a.route, b.route))
    .map(({ group, route }) => httpRouteMessage(objects, config, group, route))
    .filter((message) => message !== undefined);
}

/** As above for gRPC; only Servers that speak gRPC use them. */
export function serverGrpcRoutes(objects: PolicyObjects, config: PolicyConfig, server: Server): GrpcMessage[] {
  return acceptedGrpcRoutes(objects, server)
    .sort(byAge)
    .map((route) => grpcRouteMessage(objects, config, route))
    .filter((message) => message !== undefined);
}

function acceptedGrpcRoutes(objects: PolicyObjects, server: Server): GrpcRoute[] {
  return objects.grpcRoutes.byIndex(BY_PARENT, keyOf(server)).filter((route) => isAttached(route, server));
}

function keyOf({ metadata: { namespace = "", name } }: Server): string {
  return serverKey(namespace, name);
}

type AnyRoute = HttpRoute | GrpcRoute;

/** Routes attach to Servers of their own namespace as a whole: a port or section on such a parent voids the route. */
function isAttached(route: AnyRoute, server: Server): boolean {
  const namespace = route.metadata.namespace ?? "";
  if (namespace !== server.metadata.namespace) return false;
  const refs = (route.spec?.parentRefs ?? []).filter((ref) => isServer(ref, namespace));
  return refs.every((ref) => ref.port === undefined && ref.sectionName === undefined);
}

function isServer(ref: ParentRef, namespace: string): boolean {
  return parentKey(ref, namespace).startsWith("policy.linkerd.io/server/");
}

/** Undefined when a match is of an unknown type: half a route would let through what the other half meant to stop. */
function httpRouteMessage(
  objects: PolicyObjects,
  config: PolicyConfig,
  group: string,
  { metadata, spec }: HttpRoute,
): HttpMessage | undefined {
  const ref = { group, kind: "HTTPRoute", name: metadata.name, namespace: metadata.namespace ?? "" };
  const rules = (spec.rules?.length ? spec.rules : [{}]).map(({ matches, filters = [] }) => {
    const matchMessages = httpMatchMessages(matches);
    return matchMessages && { matches: matchMessages, filters: httpFilters(filters) };
  });
  const messages = allDefined(rules);
  if (!messages) return undefined;
  return {
    metadata: resourceMetadata(ref),
    hosts: (spec.hostnames ?? []).map(hostMessage),
    authorizations: routeAuthorizations(objects, config, ref),
    rules: messages,
  };
}

function isRequestFilter({ type }: HttpRouteFilter): boolean {
  return type !== "ResponseHeaderModifier"; // proxies change no responses inbound
}

type HttpFilterMessage = HttpMessage["rules"][number]["filters"][number];

/** A filter that cannot be honoured fails the requests of its rule, and says so, instead of being skipped. */
function httpFilters(filters: readonly HttpRouteFilter[]): HttpFilterMessage[] {
  const wanted = filters.filter(isRequestFilter);
  const unsupported = wanted.find(
    ({ requestHeaderModifier, requestRedirect }) => !requestHeaderModifier && !requestRedirect,
  );
  if (unsupported) {
    const value = { status: 500, message: `Unsupported route filter ${unsupported.type}`, ratio: undefined };
    return [{ kind: { $case: "failureInjector", value } }];
  }
  return wanted.map(httpFilter);
}

function httpFilter({ requestHeaderModifier, requestRedirect }: HttpRouteFilter): HttpFilterMessage {
  if (requestHeaderModifier) {
    return { kind: { $case: "requestHeaderModifier", value: headerModifier(requestHeaderModifier) } };
  }
  return { kind: { $case: "redirect", value: redirectMessage(requestRedirect ?? {}) } };
}

function grpcRouteMessage(
  objects: PolicyObjects,
  config: PolicyConfig,
  { metadata, spec = {} }: GrpcRoute,
): GrpcMessage | undefined {
  const ref = { group: GATEWAY_GROUP, kind: "GRPCRoute", name: metadata.name, namespace: metadata.namespace ?? "" };
  const rules = (spec.rules ?? []).map(({ matches, filters = [] }) => {
    const matchMessages = grpcMatchMessages(matches);
    const filterMessages = allDefined(
      filters
        .filter(isRequestFilter)
        .map(
          ({ requestHeaderModifier: modifier }) =>
            modifier && { kind: { $case: "requestHeaderModifier" as const, value: headerModifier(modifier) } },
        ),
    );
    return matchMessages && filterMessages && { matches: matchMessages, filters: filterMessages };
  });
  const messages = allDefined(rules);
  if (!messages) return undefined;
  return {
    metadata: resourceMetadata(ref),
    hosts: (spec.hostnames ?? []).map(hostMessage),
    authorizations: routeAuthorizations(objects, config, ref),
    rules: messages,
  };
}

/** The oldest rate limit that targets a Server. */
export function serverRateLimit(
  objects: PolicyObjects,
  config: PolicyConfig,
  server: Server,
): HttpLocalRateLimit | undefined {
  const namespace = server.metadata.namespace ?? "";
  const [oldest] = objects.rateLimits
    .list(namespace)
    .filter(({ spec: { targetRef } }) => isServer(targetRef, namespace) && targetRef.name === server.metadata.name)
    .sort(byAge);
  return oldest && rateLimitMessage(config, oldest);
}

function rateLimitMessage(config: PolicyConfig, { metadata, spec }: HttpLocalRateLimitPolicy): HttpLocalRateLimit {
  const { name, namespace = "" } = metadata;
  const limit = (given: { requestsPerSecond: number } | undefined) =>
    given && { requestsPerSecond: given.requestsPerSecond };
  return {
    metadata: resourceMetadata({ group: POLICY_GROUP, kind: "HTTPLocalRateLimitPolicy", name, namespace }),
    total: limit(spec.total),
    identity: limit(spec.identity),
    overrides: (spec.overrides ?? []).map(({ requestsPerSecond, clientRefs }) => ({
      limit: { requestsPerSecond },
      clients: {
        identities: clientRefs.map((ref) => ({
          name: serviceAccountIdentity(config, ref.name, ref.namespace ?? namespace),
        })),
      },
    })),
  };
}
