import { IpNetwork } from "#net/address";
import type { Authn, Authz, GrpcRoute, HttpLocalRateLimit, HttpRoute, Server } from "#proto/inbound";
import type { Authentication, Authorization, AuthorizedNetwork } from "../authorize/authorization.ts";
import { RateLimit } from "../authorize/rate-limit.ts";
import type { DefaultPolicy } from "../env.ts";
import { compileFilters, NO_FILTERS } from "../route/filters.ts";
import { type MetaLabels, readMetadata } from "../route/metadata.ts";
import { compileGrpcMatches, compileHttpMatches } from "../route/request-match.ts";
import { RouteTable, type RuleEntry } from "../route/route-table.ts";
import { readDuration, readNetwork } from "../route/wire-values.ts";
import type { InboundProtocol, InboundRule, ServerPolicy } from "./policy.ts";

/** Turns the control plane's message into a policy. What cannot be followed becomes one that refuses everything. */
export function compileServer(server: Server): ServerPolicy {
  try {
    return compile(server);
  } catch (cause) {
    return invalidPolicy(`invalid server policy: ${(cause as Error).message}`);
  }
}

/** The policy of a port before the control plane has said anything. */
export function defaultPolicy(
  name: DefaultPolicy,
  clusterNetworks: readonly IpNetwork[],
  detectTimeoutMs: number,
  isOpaque: boolean,
): ServerPolicy {
  const meta = { group: "", kind: "default", name };
  const networks = name.startsWith("cluster-") ? clusterNetworks : EVERYWHERE;
  const grants: Authorization[] =
    name === "deny"
      ? []
      : [
          {
            networks: networks.map((network) => ({ network, except: [] })),
            authentication: name.endsWith("-authenticated") ? ANY_IDENTITY : { kind: "none" },
            meta,
          },
        ];
  const route = { group: "", kind: "default", name: "default" };
  const isHttp = name !== "deny" && !isOpaque;
  return finish({
    protocol: isHttp ? "detect" : "opaque",
    detectTimeoutMs,
    meta,
    grants,
    rules: isHttp ? [{ matches: compileHttpMatches([], []), rule: { route, grants: [], filters: NO_FILTERS } }] : [],
    rateLimit: undefined,
    invalid: undefined,
  });
}

interface Parts {
  readonly protocol: InboundProtocol;
  readonly detectTimeoutMs: number;
  readonly meta: MetaLabels;
  readonly grants: readonly Authorization[];
  readonly rules: readonly RuleEntry<InboundRule>[];
  readonly rateLimit: RateLimit | undefined;
  readonly invalid: string | undefined;
}

function compile(server: Server): ServerPolicy {
  const kind = server.protocol?.kind;
  if (!kind) throw new Error("the server has no protocol");
  if (!server.labels.name) throw new Error("the server's labels have no name");
  const common = {
    protocol: kind.$case,
    detectTimeoutMs: kind.$case === "detect" ? required(readDuration(kind.value.timeout), "a detect timeout") : 0,
    meta: { group: server.labels.group ?? "", kind: server.labels.kind ?? "", name: server.labels.name },
    grants: server.authorizations.map(compileAuthz),
    invalid: undefined,
  };
  if (kind.$case === "detect") {
    return finish({
      ...common,
      rules: httpRules(kind.value.httpRoutes),
      rateLimit: compileLimit(kind.value.httpLocalRateLimit),
    });
  }
  if (kind.$case === "http1" || kind.$case === "http2") {
    return finish({
      ...common,
      rules: httpRules(kind.value.routes),
      rateLimit: compileLimit(kind.value.localRateLimit),
    });
  }
  const rules = kind.$case === "grpc" ? grpcRules(kind.value.routes) : [];
  return finish({ ...common, rules, rateLimit: undefined });
}

/** Server grants and the implicit grant to localhost come after each route's own. */
function finish(parts: Parts): ServerPolicy {
  const isHttp = parts.protocol !== "opaque" && parts.protocol !== "tls";
  const rules = parts.rules.length > 0 || !isHttp || parts.invalid !== undefined ? parts.rules : [DEFAULT_RULE];
  const serverGrants = [...parts.grants, LOCALHOST];
  const hasFilters = rules.some(({ rule }) => rule.filters !== NO_FILTERS);
  return {
    protocol: parts.protocol,
    detectTimeoutMs: parts.detectTimeoutMs,
    meta: parts.meta,
    grants: parts.invalid === undefined ? serverGrants : [],
    routes: new RouteTable(
      rules.map(({ matches, rule }) => ({ matches, rule: { ...rule, grants: [...rule.grants, ...serverGrants] } })),
    ),
    rateLimit: parts.rateLimit,
    invalid: parts.invalid,
    hasRouteRules: hasFilters || parts.rateLimit !== undefined,
  };
}

export function invalidPolicy(reason: string): ServerPolicy {
  return finish({
    protocol: "detect",
    detectTimeoutMs: 10_000,
    meta: { group: "", kind: "default", name: "invalid" },
    grants: [],
    rules: [],
    rateLimit: undefined,
    invalid: reason,
  });
}

function httpRules(routes: readonly HttpRoute[]): RuleEntry<InboundRule>[] {
  return routes.flatMap((route) => {
    const { meta, grants } = routeHead(route);
    return route.rules.map((rule) => ({
      matches: compileHttpMatches(route.hosts, rule.matches),
      rule: { route: meta, grants, filters: compileFilters(rule.filters) },
    }));
  });
}

function grpcRules(routes: readonly GrpcRoute[]): RuleEntry<InboundRule>[] {
  return routes.flatMap((route) => {
    const { meta, grants } = routeHead(route);
    return route.rules.map((rule) => ({
      matches: compileGrpcMatches(route.hosts, rule.matches),
      rule: { route: meta, grants, filters: compileFilters(rule.filters) },
    }));
  });
}

function routeHead(route: HttpRoute | GrpcRoute): { meta: MetaLabels; grants: readonly Authorization[] } {
  const meta = required(readMetadata(route.metadata), "a route's metadata");
  return { meta, grants: route.authorizations.map(compileAuthz) };
}

function compileAuthz(authz: Authz): Authorization {
  if (authz.networks.length === 0) throw new Error("an authorization has no networks");
  return {
    networks: authz.networks.map(
      (network): AuthorizedNetwork => ({
        network: required(readNetwork(network.net), "an authorization's network"),
        except: network.except.map((hole) => required(readNetwork(hole), "an excepted network")),
      }),
    ),
    authentication: compileAuthn(authz.authentication),
    meta: readMetadata(authz.metadata) ?? {
      group: authz.labels.group ?? "",
      kind: authz.labels.kind ?? "",
      name: authz.labels.name ?? "",
    },
  };
}

function compileAuthn(authn: Authn | undefined): Authentication {
  const permit = required(authn?.permit, "an authorization's authentication");
  if (permit.$case === "unauthenticated") return { kind: "none" };
  const clients = required(permit.value.clients, "the clients of a mesh TLS authorization");
  if (clients.$case === "unauthenticated") return { kind: "tls" };
  return {
    kind: "identity",
    identities: new Set(clients.value.identities.map(({ name }) => name)),
    suffixes: clients.value.suffixes.map(({ parts }) => (parts.length === 0 ? "" : `.${parts.join(".")}`)),
  };
}

function compileLimit(limit: HttpLocalRateLimit | undefined): RateLimit | undefined {
  if (!limit) return undefined;
  const meta = readMetadata(limit.metadata);
  return new RateLimit({
    name: meta?.name ?? "",
    group: meta?.group ?? "",
    kind: meta?.kind ?? "",
    totalRps: limit.total?.requestsPerSecond ?? 0,
    identityRps: limit.identity?.requestsPerSecond ?? 0,
    overrides: limit.overrides.map((override) => ({
      rps: override.limit?.requestsPerSecond ?? 0,
      identities: (override.clients?.identities ?? []).map(({ name }) => name),
    })),
  });
}

function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing`);
  return value;
}

const EVERYWHERE = [IpNetwork.parse("0.0.0.0/0")!, IpNetwork.parse("::/0")!];
const ANY_IDENTITY: Authentication = { kind: "identity", identities: new Set(), suffixes: [""] };
const DEFAULT_RULE: RuleEntry<InboundRule> = {
  matches: compileHttpMatches([], []),
  rule: { route: { group: "", kind: "default", name: "default" }, grants: [], filters: NO_FILTERS },
};
const LOCALHOST: Authorization = {
  networks: ["127.0.0.1/32", "::1/128"].map((text) => ({ network: IpNetwork.parse(text)!, except: [] })),
  authentication: { kind: "none" },
  meta: { group: "", kind: "default", name: "localhost" },
};
