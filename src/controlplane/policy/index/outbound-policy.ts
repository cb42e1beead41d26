import type { GrpcRoute, HttpRoute, OpaqueRoute, OutboundPolicy, ProxyProtocol, TlsRoute } from "#proto/outbound";
import { durationMessage } from "../core/duration.ts";
import { defaultMetadata, resourceMetadata } from "../core/metadata.ts";
import {
  ANY_GRPC,
  ANY_HTTP,
  FORBIDDEN,
  grpcFailure,
  httpFailure,
  none,
  OUTBOUND_DETECT_TIMEOUT_MS,
  only,
  ruleBackend,
  ruleSettings,
} from "../core/outbound.ts";
import type { PolicyConfig, PolicyObjects } from "./objects.ts";
import { egressParent, type OutboundParent, outsideParent, serviceParent } from "./outbound-parent.ts";
import {
  hasRoutes,
  outboundGrpcRoutes,
  outboundHttpRoutes,
  outboundTcpRoutes,
  outboundTlsRoutes,
  type RouteContext,
} from "./outbound-routes.ts";
import { type OutboundQuery, type OutboundTarget, resolveTarget } from "./outbound-target.ts";

export interface OutboundAnswer {
  /** Whether routes of the cluster play a part, so that their backends matter. */
  readonly hasRoutes: boolean;
  /** Undefined when the target is nothing that the cluster knows. */
  readonly policy: OutboundPolicy | undefined;
  readonly target: OutboundTarget;
  /** What could not be followed, a sentence each. */
  readonly warnings: readonly string[];
}

/** The policy for one client namespace and one target, as the cluster stands now. */
export function outboundPolicy(objects: PolicyObjects, config: PolicyConfig, query: OutboundQuery): OutboundAnswer {
  const target = resolveTarget(objects, config, query);
  if (target.kind === "unknown") return { policy: undefined, target, hasRoutes: false, warnings: [] };
  if (target.kind === "service" && isUndeclared(objects, query, target)) {
    return { policy: undefinedPort(target), target, hasRoutes: false, warnings: [] };
  }
  const parent = parentOf(objects, config, target);
  const warnings = [...parent.warnings];
  const warn = (message: string): void => void warnings.push(message);
  const context = { objects, config, parent, sourceNamespace: query.sourceNamespace, warn };
  const policy = { protocol: protocolMessage(context), metadata: parent.metadata };
  return { policy, target, hasRoutes: hasRoutes(context), warnings };
}

type Known = Exclude<OutboundTarget, { kind: "unknown" }>;

function parentOf(objects: PolicyObjects, config: PolicyConfig, target: Known): OutboundParent {
  if (target.kind === "service") return serviceParent(objects, config, target);
  return target.kind === "egress" ? egressParent(config, target) : outsideParent(target);
}

/** By address, a Service has only the ports it declares; by name anything may be asked. */
function isUndeclared(
  objects: PolicyObjects,
  query: OutboundQuery,
  { name, namespace, port }: Extract<OutboundTarget, { kind: "service" }>,
): boolean {
  if (query.authority) return false;
  return !objects.services.get(name, namespace)?.spec?.ports?.some((one) => one.port === port);
}

function undefinedPort({ name, namespace, port }: Extract<OutboundTarget, { kind: "service" }>): OutboundPolicy {
  const rules = [{ backends: none(), filters: [FORBIDDEN] }];
  const routes: OpaqueRoute[] = [{ metadata: defaultMetadata("undefined-port"), rules } as OpaqueRoute];
  return {
    protocol: { kind: { $case: "opaque", value: { routes } } },
    metadata: resourceMetadata({ group: "core", kind: "Service", name, namespace, port }),
  };
}

function protocolMessage(context: RouteContext): ProxyProtocol {
  const { parent } = context;
  const { failureAccrual } = parent;
  switch (parent.protocol) {
    case "http1":
      return { kind: { $case: "http1", value: { routes: httpOrDefault(context), failureAccrual } } };
    case "http2":
      return (
        grpcProtocol(context) ?? { kind: { $case: "http2", value: { routes: httpOrDefault(context), failureAccrual } } }
      );
    case "opaque":
      return { kind: { $case: "opaque", value: { routes: opaqueOrDefault(context) } } };
    case "detect":
      return grpcProtocol(context) ?? detectProtocol(context);
  }
}

/** GRPCRoutes mean that the port speaks gRPC; then nothing else is looked for. */
function grpcProtocol(context: RouteContext): ProxyProtocol | undefined {
  const { parent } = context;
  const routes = outboundGrpcRoutes(context);
  if (routes.length === 0) return undefined;
  if (parent.keepsDefaults) routes.push(defaultGrpcRoute(context));
  return { kind: { $case: "grpc", value: { routes, failureAccrual: parent.failureAccrual } } };
}

/** The first kind of route that there is says what the port speaks; without any, the client's bytes do. */
function detectProtocol(context: RouteContext): ProxyProtocol {
  const { parent } = context;
  const http = outboundHttpRoutes(context);
  if (http.length === 0) {
    const tls = outboundTlsRoutes(context);
    if (tls.length > 0) {
      const routes = parent.keepsDefaults ? [...tls, defaultTlsRoute(context)] : tls;
      return { kind: { $case: "tls", value: { routes } } };
    }
    const tcp = outboundTcpRoutes(context);
    if (tcp.length > 0) return { kind: { $case: "opaque", value: { routes: tcp } } };
  }
  const httpRoutes = withDefault(context, http);
  const { failureAccrual } = parent;
  const value = {
    timeout: durationMessage(OUTBOUND_DETECT_TIMEOUT_MS),
    opaque: { routes: [defaultOpaqueRoute(context)] },
    http1: { routes: httpRoutes, failureAccrual },
    http2: { routes: httpRoutes, failureAccrual },
  };
  return { kind: { $case: "detect", value } };
}

function httpOrDefault(context: RouteContext): HttpRoute[] {
  return withDefault(context, outboundHttpRoutes(context));
}

function withDefault(context: RouteContext, routes: HttpRoute[]): HttpRoute[] {
  return routes.length === 0 || context.parent.keepsDefaults ? [...routes, defaultHttpRoute(context)] : routes;
}

function opaqueOrDefault(context: RouteContext): OpaqueRoute[] {
  const tcp = outboundTcpRoutes(context);
  return tcp.length > 0 ? tcp : [defaultOpaqueRoute(context)];
}

const DENIED = "traffic not allowed";
const GRPC_PERMISSION_DENIED = 7;

function defaultHttpRoute({ parent, config }: RouteContext): HttpRoute {
  const { timeouts, httpRetry: retry, isDenied } = parent;
  const { allowL5dRequestHeaders } = config;
  const rule = {
    matches: ANY_HTTP,
    filters: isDenied ? [httpFailure(403, DENIED)] : [],
    backends: only<HttpRoute["rules"][number]["filters"][number]>(ruleBackend(parent.backend)),
    ...ruleSettings({ timeouts, retry, allowL5dRequestHeaders }),
  };
  return { metadata: defaultMetadata(parent.defaults.http), hosts: [], rules: [rule] };
}

function defaultGrpcRoute({ parent, config }: RouteContext): GrpcRoute {
  const { timeouts, grpcRetry: retry, isDenied } = parent;
  const { allowL5dRequestHeaders } = config;
  const rule = {
    matches: ANY_GRPC,
    filters: isDenied ? [grpcFailure(GRPC_PERMISSION_DENIED, DENIED)] : [],
    backends: only<GrpcRoute["rules"][number]["filters"][number]>(ruleBackend(parent.backend)),
    ...ruleSettings({ timeouts, retry, allowL5dRequestHeaders }),
  };
  return { metadata: defaultMetadata(parent.defaults.grpc), hosts: [], rules: [rule] };
}

function defaultOpaqueRoute({ parent }: RouteContext): OpaqueRoute {
  return { metadata: defaultMetadata(parent.defaults.opaque), rules: [opaqueRule(parent)] };
}

function defaultTlsRoute({ parent }: RouteContext): TlsRoute {
  return { metadata: defaultMetadata(parent.defaults.tls), snis: [], rules: [opaqueRule(parent)] };
}

function opaqueRule(parent: OutboundParent): OpaqueRoute["rules"][number] {
  return {
    backends: only<OpaqueRoute["rules"][number]["filters"][number]>(ruleBackend(parent.backend)),
    filters: parent.isDenied ? [FORBIDDEN] : [],
  };
}
