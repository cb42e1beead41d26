/** Routes of the cluster, turned into what a client of one parent is sent. */

import type {
  BackendRef,
  GrpcRoute,
  HttpBackendRef,
  HttpRoute,
  HttpRouteFilter,
  KubeObject,
  ParentRef,
  TcpRoute,
  TlsRoute,
} from "#kube/types";
import { parseDuration } from "#lib/duration";
import type {
  GrpcRoute as GrpcMessage,
  HttpRoute as HttpMessage,
  OpaqueRoute,
  TlsRoute as TlsMessage,
} from "#proto/outbound";
import { GATEWAY_GROUP, POLICY_GROUP, resourceMetadata } from "../core/metadata.ts";
import {
  type GrpcFilter,
  grpcFailure,
  type HttpFilter,
  httpFailure,
  invalidBackend,
  invalidFilter,
  type OpaqueFilter,
  only,
  type RuleBackend,
  ruleBackend,
  ruleSettings,
  weighted,
} from "../core/outbound.ts";
import { grpcRetry, httpRetry, type TimeoutSettings, timeoutSettings } from "../core/route-settings.ts";
import { BY_PARENT, byAge, type IndexedObjects, type PolicyConfig, type PolicyObjects, parentKey } from "./objects.ts";
import { hasWeight, resolveBackend } from "./outbound-backend.ts";
import type { OutboundParent } from "./outbound-parent.ts";
import {
  allDefined,
  grpcMatchMessages,
  headerModifier,
  hostMessage,
  httpMatchMessages,
  redirectMessage,
} from "./route-parts.ts";

/** What conversion needs besides the route. */
export interface RouteContext {
  readonly objects: PolicyObjects;
  readonly config: PolicyConfig;
  readonly parent: OutboundParent;
  /** Routes outside the parent's namespace count only for clients of their own. */
  readonly sourceNamespace: string;
  /** Told what could not be followed. */
  readonly warn: (message: string) => void;
}

type Route = KubeObject & { spec?: { parentRefs?: ParentRef[] } };

/** The routes of one kind that hold for this parent, port and client, oldest first. */
function attached<T extends Route>(context: RouteContext, routes: IndexedObjects<T>): T[] {
  const { parent, sourceNamespace } = context;
  if (parent.routeKey === undefined) return [];
  return routes.byIndex(BY_PARENT, parent.routeKey).filter((route) => {
    const namespace = route.metadata.namespace ?? "";
    if (namespace !== parent.namespace && namespace !== sourceNamespace) return false;
    return (route.spec?.parentRefs ?? []).some(
      (ref) => parentKey(ref, namespace) === parent.routeKey && (ref.port === undefined || ref.port === parent.port),
    );
  });
}

/** Whether any route of the cluster names this parent. */
export function hasRoutes({ objects, parent: { routeKey } }: RouteContext): boolean {
  if (routeKey === undefined) return false;
  const { policyHttpRoutes, gatewayHttpRoutes, grpcRoutes, tlsRoutes, tcpRoutes } = objects;
  return [policyHttpRoutes, gatewayHttpRoutes, grpcRoutes, tlsRoutes, tcpRoutes].some(
    (routes) => routes.byIndex(BY_PARENT, routeKey).length > 0,
  );
}

export function outboundHttpRoutes(context: RouteContext): HttpMessage[] {
  const { policyHttpRoutes, gatewayHttpRoutes } = context.objects;
  const of = (group: string, routes: HttpRoute[]) => routes.map((route) => ({ group, route }));
  return [
    ...of(POLICY_GROUP, attached(context, policyHttpRoutes)),
    ...of(GATEWAY_GROUP, attached(context, gatewayHttpRoutes)),
  ]
    .sort((a, b) => byAge(a.route, b.route))
    .map(({ group, route }) => converted(context, route, () => httpRoute(context, group, route)))
    .filter((message) => message !== undefined);
}

export function outboundGrpcRoutes(context: RouteContext): GrpcMessage[] {
  return attached(context, context.objects.grpcRoutes)
    .sort(byAge)
    .map((route) => converted(context, route, () => grpcRoute(context, route)))
    .filter((message) => message !== undefined);
}

export function outboundTlsRoutes(context: RouteContext): TlsMessage[] {
  return attached(context, context.objects.tlsRoutes)
    .sort(byAge)
    .map((route) => tlsRoute(context, route));
}

/** Only the oldest counts: bytes give nothing to tell routes apart by. */
export function outboundTcpRoutes(context: RouteContext): OpaqueRoute[] {
  return attached(context, context.objects.tcpRoutes)
    .sort(byAge)
    .slice(0, 1)
    .map((route) => tcpRoute(context, route));
}

function converted<T>(context: RouteContext, { kind, metadata }: Route, convert: () => T | string): T | undefined {
  const result = convert();
  if (typeof result !== "string") return result;
  context.warn(`Ignored ${kind} ${metadata.namespace}/${metadata.name}: ${result}`);
  return undefined;
}

function refOf(group: string, kind: string, { metadata }: KubeObject) {
  return resourceMetadata({ group, kind, name: metadata.name, namespace: metadata.namespace ?? "" });
}

function httpRoute(context: RouteContext, group: string, route: HttpRoute): HttpMessage | string {
  const { parent, config } = context;
  const annotations = route.metadata.annotations ?? {};
  const timeouts = timeoutSettings(annotations);
  const retry = httpRetry(annotations);
  if (timeouts.error ?? retry.error) return timeouts.error ?? retry.error ?? "";
  const rules = (route.spec.rules?.length ? route.spec.rules : [{}]).map((rule) => {
    const matches = httpMatchMessages(rule.matches);
    if (!matches) return undefined;
    return {
      matches,
      filters: httpFilters(rule.filters),
      backends: httpBackends(context, rule.backendRefs),
      ...ruleSettings({
        timeouts: ownTimeouts(specTimeout(rule.timeouts?.request), timeouts.value) ?? parent.timeouts,
        retry: retry.value ?? parent.httpRetry,
        allowL5dRequestHeaders: config.allowL5dRequestHeaders,
      }),
    };
  });
  const messages = allDefined(rules);
  if (!messages) return "a match is of an unknown type";
  return {
    metadata: refOf(group, "HTTPRoute", route),
    hosts: (route.spec.hostnames ?? []).map(hostMessage),
    rules: messages,
  };
}

/** Annotations go before the rule's own request timeout; the Service's count only where both say nothing. */
function ownTimeouts(spec: TimeoutSettings | undefined, annotated: TimeoutSettings | undefined) {
  return spec || annotated ? { ...spec, ...annotated } : undefined;
}

/** `1m30s` as well as `10s`; 0 means none. */
function specTimeout(text: string | undefined): TimeoutSettings | undefined {
  const ms = text === undefined ? undefined : parseDuration(text).value;
  return ms ? { requestMs: ms } : undefined;
}

/**
 * A filter that cannot be honoured fails the requests of its rule, and says so, instead of being skipped or taking the
 * whole route along.
 */
function httpFilters(filters: readonly HttpRouteFilter[] = []): HttpFilter[] {
  const unsupported = filters.find(({ type }) => !HTTP_FILTERS.has(type));
  if (unsupported) return [httpFailure(500, `Unsupported route filter ${unsupported.type}`)];
  return filters.flatMap(httpFilter);
}

const HTTP_FILTERS = new Set(["RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect"]);

function httpFilter(filter: HttpRouteFilter): HttpFilter[] {
  const { requestHeaderModifier, responseHeaderModifier, requestRedirect } = filter;
  if (requestHeaderModifier) {
    return [{ kind: { $case: "requestHeaderModifier", value: headerModifier(requestHeaderModifier) } }];
  }
  if (responseHeaderModifier) {
    return [{ kind: { $case: "responseHeaderModifier", value: headerModifier(responseHeaderModifier) } }];
  }
  return requestRedirect ? [{ kind: { $case: "redirect", value: redirectMessage(requestRedirect) } }] : [];
}

function httpBackends(context: RouteContext, refs: readonly HttpBackendRef[] | undefined) {
  return distribution(context, refs, (error) => httpFailure(500, error), httpFilters);
}

/** The parent itself when a rule names no backend, otherwise chance by weight. A broken backend keeps its share, and fails it. */
function distribution<F, R extends BackendRef & { filters?: HttpRouteFilter[] }>(
  { objects, config, parent }: RouteContext,
  refs: readonly R[] | undefined,
  failure: (error: string) => F,
  filtersOf: (filters: HttpRouteFilter[] | undefined) => F[],
) {
  if (!refs?.length) return only<F>(ruleBackend<F>(parent.backend));
  if (!hasWeight(refs)) return only<F>(ruleBackend<F>(invalidBackend(), [failure("Every backend has weight 0")]));
  return weighted<F>(
    refs.map((ref): { backend: RuleBackend<F>; weight: number } => {
      const { backend, error } = resolveBackend(objects, config, parent, ref);
      const filters = error === undefined ? filtersOf(ref.filters) : [failure(error)];
      return { backend: ruleBackend(backend, filters), weight: ref.weight ?? 1 };
    }),
  );
}

const GRPC_INTERNAL = 13;

function grpcRoute(context: RouteContext, route: GrpcRoute): GrpcMessage | string {
  const { parent, config } = context;
  const annotations = route.metadata.annotations ?? {};
  const timeouts = timeoutSettings(annotations);
  const retry = grpcRetry(annotations);
  if (timeouts.error ?? retry.error) return timeouts.error ?? retry.error ?? "";
  const rules = (route.spec?.rules ?? []).map((rule) => {
    const matches = grpcMatchMessages(rule.matches);
    if (!matches) return undefined;
    return {
      matches,
      filters: grpcFilters(rule.filters),
      backends: distribution(context, rule.backendRefs, (error) => grpcFailure(GRPC_INTERNAL, error), grpcFilters),
      ...ruleSettings({
        timeouts: timeouts.value ?? parent.timeouts,
        retry: retry.value ?? parent.grpcRetry,
        allowL5dRequestHeaders: config.allowL5dRequestHeaders,
      }),
    };
  });
  const messages = allDefined(rules);
  if (!messages) return "a match is of an unknown type, or a regular expression over methods";
  const hosts = (route.spec?.hostnames ?? []).map(hostMessage);
  return { metadata: refOf(GATEWAY_GROUP, "GRPCRoute", route), hosts, rules: messages };
}

/** Response headers of gRPC calls are left as they are, as in Linkerd. */
function grpcFilters(filters: readonly HttpRouteFilter[] = []): GrpcFilter[] {
  const wanted = filters.filter(({ type }) => type !== "ResponseHeaderModifier");
  const unsupported = wanted.find(({ requestHeaderModifier }) => !requestHeaderModifier);
  if (unsupported) return [grpcFailure(GRPC_INTERNAL, `Unsupported route filter ${unsupported.type}`)];
  return wanted.map(({ requestHeaderModifier }) => ({
    kind: { $case: "requestHeaderModifier", value: headerModifier(requestHeaderModifier!) },
  }));
}

function opaqueBackends(context: RouteContext, refs: readonly BackendRef[] | undefined) {
  return distribution<OpaqueFilter, BackendRef>(context, refs, invalidFilter, () => []);
}

function tlsRoute(context: RouteContext, route: TlsRoute): TlsMessage {
  return {
    metadata: refOf(GATEWAY_GROUP, "TLSRoute", route),
    snis: (route.spec.hostnames ?? []).map(hostMessage),
    rules: route.spec.rules.map(({ backendRefs }) => ({ backends: opaqueBackends(context, backendRefs), filters: [] })),
  };
}

function tcpRoute(context: RouteContext, route: TcpRoute): OpaqueRoute {
  return {
    metadata: refOf(GATEWAY_GROUP, "TCPRoute", route),
    rules: route.spec.rules.map(({ backendRefs }) => ({ backends: opaqueBackends(context, backendRefs), filters: [] })),
  };
}
