/** What a port speaks, as a proxy is told: the protocol with its routes. */
import type { Authz, GrpcRoute, HttpLocalRateLimit, HttpRoute, Network, ProxyProtocol } from "#proto/inbound";
import { probeAuthorization } from "./authorization.ts";
import { durationMessage } from "./duration.ts";
import { defaultMetadata } from "./metadata.ts";

export const PROXY_PROTOCOLS = ["unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS"] as const;

/** A Server's `proxyProtocol`. */
export type ProxyProtocolName = (typeof PROXY_PROTOCOLS)[number];

export function isProxyProtocol(text: string): text is ProxyProtocolName {
  return (PROXY_PROTOCOLS as readonly string[]).includes(text);
}

export const DETECT_TIMEOUT_MS = 10_000;

export interface PortRoutes {
  /** Routes of the cluster; when there are any, the default and probe routes are gone. */
  readonly http: readonly HttpRoute[];
  readonly grpc: readonly GrpcRoute[];
  readonly rateLimit: HttpLocalRateLimit | undefined;
  /** Paths that kubelets ask on this port. */
  readonly probePaths: readonly string[];
  /** Where kubelets ask from; empty turns probe routes off. */
  readonly probeNetworks: readonly Network[];
}

/** The protocol message of a port. */
export function protocolMessage(protocol: ProxyProtocolName, routes: PortRoutes): ProxyProtocol {
  const { rateLimit } = routes;
  switch (protocol) {
    case "opaque":
      return { kind: { $case: "opaque", value: {} } };
    case "TLS":
      return { kind: { $case: "tls", value: {} } };
    case "HTTP/1":
      return { kind: { $case: "http1", value: { routes: httpRoutes(routes), localRateLimit: rateLimit } } };
    case "HTTP/2":
      return { kind: { $case: "http2", value: { routes: httpRoutes(routes), localRateLimit: rateLimit } } };
    case "gRPC":
      return { kind: { $case: "grpc", value: { routes: grpcRoutes(routes) } } };
    case "unknown": {
      const timeout = durationMessage(DETECT_TIMEOUT_MS);
      const value = { timeout, httpRoutes: httpRoutes(routes), httpLocalRateLimit: rateLimit };
      return { kind: { $case: "detect", value } };
    }
  }
}

function httpRoutes({ http, probePaths, probeNetworks }: PortRoutes): HttpRoute[] {
  if (http.length > 0) return [...http];
  const probes = probePaths.length > 0 && probeNetworks.length > 0 ? [probeRoute(probePaths, probeNetworks)] : [];
  return [...probes, defaultHttpRoute()];
}

function grpcRoutes({ grpc }: PortRoutes): GrpcRoute[] {
  return grpc.length > 0 ? [...grpc] : [defaultGrpcRoute()];
}

function defaultHttpRoute(): HttpRoute {
  const match = {
    path: { kind: { $case: "prefix" as const, value: "/" } },
    headers: [],
    queryParams: [],
    method: undefined,
  };
  return {
    metadata: defaultMetadata("default"),
    hosts: [],
    authorizations: [],
    rules: [{ matches: [match], filters: [] }],
  };
}

function defaultGrpcRoute(): GrpcRoute {
  const match = { rpc: { service: "", method: "" }, headers: [] };
  return {
    metadata: defaultMetadata("default"),
    hosts: [],
    authorizations: [],
    rules: [{ matches: [match], filters: [] }],
  };
}

const GET = { type: { $case: "registered" as const, value: 0 as const } };

/** Lets kubelets ask after a container's health whatever else the port demands. */
function probeRoute(paths: readonly string[], probeNetworks: readonly Network[]): HttpRoute {
  const authorizations: Authz[] = [probeAuthorization(probeNetworks)];
  const matches = paths.map((path) => ({
    path: { kind: { $case: "exact" as const, value: path } },
    headers: [],
    queryParams: [],
    method: GET,
  }));
  return { metadata: defaultMetadata("probe"), hosts: [], authorizations, rules: [{ matches, filters: [] }] };
}
