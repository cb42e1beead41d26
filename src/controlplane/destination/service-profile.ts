import type { RequestMatchSpec, ResponseMatchSpec, ServiceProfile, ServiceProfileRoute } from "#kube";
import { parseDuration } from "#lib/duration";
import type {
  DestinationProfile,
  RequestMatch,
  ResponseMatch,
  RetryBudget,
  Route,
  WeightedDst,
} from "#proto/destination";
import type { Duration } from "#proto/google/protobuf/duration";
import { HttpMethod_Registered } from "#proto/http_types";

type ProfilePart = Pick<DestinationProfile, "routes" | "retryBudget" | "dstOverrides">;

export interface TranslatedProfile {
  readonly value: ProfilePart | undefined;
  /** Why the profile cannot be used as a whole. */
  readonly error: string | undefined;
  /** What was left out of a usable one. */
  readonly warnings: readonly string[];
}

export const DEFAULT_RETRY_BUDGET: RetryBudget = { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: duration(10_000) };

/** A ServiceProfile's content for the wire; `port` completes authorities that name none. */
export function translateProfile(profile: ServiceProfile, port: number): TranslatedProfile {
  const warnings: string[] = [];
  try {
    const { routes = [], retryBudget, dstOverrides = [] } = profile.spec ?? {};
    return {
      value: {
        routes: routes.map((route) => translateRoute(route, warnings)),
        retryBudget: retryBudget ? budget(retryBudget) : DEFAULT_RETRY_BUDGET,
        dstOverrides: dstOverrides.map((override) => weightedDst(override, port)),
      },
      error: undefined,
      warnings,
    };
  } catch (error) {
    return { value: undefined, error: (error as Error).message, warnings };
  }
}

/** Milliseconds as a protobuf Duration. */
export function duration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

function translateRoute(route: ServiceProfileRoute, warnings: string[]): Route {
  return {
    condition: requestMatch(route.condition),
    responseClasses: (route.responseClasses ?? []).map(({ condition, isFailure = false }) => ({
      condition: responseMatch(condition),
      isFailure,
    })),
    metricsLabels: { route: route.name },
    isRetryable: route.isRetryable ?? false,
    timeout: timeout(route, warnings),
  };
}

function timeout({ name, timeout: text }: ServiceProfileRoute, warnings: string[]): Duration | undefined {
  if (!text) return undefined;
  const { value, error } = parseDuration(text);
  if (error) warnings.push(`Route "${name}" is used without its timeout: ${error}`);
  return value ? duration(value) : undefined;
}

function budget(spec: { minRetriesPerSecond: number; retryRatio: number; ttl: string }): RetryBudget {
  const { value, error } = parseDuration(spec.ttl ?? "");
  if (value === undefined) throw new Error(`Cannot use the retry budget: ${error}`);
  return { retryRatio: spec.retryRatio, minRetriesPerSecond: spec.minRetriesPerSecond, ttl: duration(value) };
}

const MAX_MATCH_DEPTH = 50; // half of what decoders accept (100), with the messages in between

function requestMatch(spec: RequestMatchSpec | undefined, depth = 0): RequestMatch {
  const parts: RequestMatch[] = [];
  if (!spec || depth > MAX_MATCH_DEPTH)
    throw new Error("Cannot use a request match: wanted a condition, not too deeply nested");
  if (spec.all)
    parts.push({ match: { $case: "all", value: { matches: spec.all.map((one) => requestMatch(one, depth + 1)) } } });
  if (spec.any)
    parts.push({ match: { $case: "any", value: { matches: spec.any.map((one) => requestMatch(one, depth + 1)) } } });
  if (spec.method) parts.push({ match: { $case: "method", value: { type: method(spec.method) } } });
  if (spec.not) parts.push({ match: { $case: "not", value: requestMatch(spec.not, depth + 1) } });
  if (spec.pathRegex) parts.push({ match: { $case: "path", value: { regex: spec.pathRegex } } });
  if (parts.length === 0) throw new Error("Cannot use a request match: wanted one of all, any, not, method, pathRegex");
  return parts.length === 1 ? parts[0]! : { match: { $case: "all", value: { matches: parts } } };
}

function method(name: string): NonNullable<import("#proto/http_types").HttpMethod["type"]> {
  const registered = Object.entries(HttpMethod_Registered).find(([known]) => known === name.toUpperCase());
  return registered ? { $case: "registered", value: registered[1] } : { $case: "unregistered", value: name };
}

function responseMatch(spec: ResponseMatchSpec | undefined, depth = 0): ResponseMatch {
  const parts: ResponseMatch[] = [];
  if (!spec || depth > MAX_MATCH_DEPTH)
    throw new Error("Cannot use a response match: wanted a condition, not too deeply nested");
  if (spec.all)
    parts.push({ match: { $case: "all", value: { matches: spec.all.map((one) => responseMatch(one, depth + 1)) } } });
  if (spec.any)
    parts.push({ match: { $case: "any", value: { matches: spec.any.map((one) => responseMatch(one, depth + 1)) } } });
  if (spec.status) parts.push(statusMatch(spec.status));
  if (spec.not) parts.push({ match: { $case: "not", value: responseMatch(spec.not, depth + 1) } });
  if (parts.length === 0) throw new Error("Cannot use a response match: wanted one of all, any, not, status");
  return parts.length === 1 ? parts[0]! : { match: { $case: "all", value: { matches: parts } } };
}

/** A bound that is left out is the same as the other one. */
function statusMatch({ min, max }: { min?: number; max?: number }): ResponseMatch {
  const low = min || max || 0;
  const high = max || min || 0;
  if (low < 100 || high > 599 || low > high)
    throw new Error(`Cannot use status range ${low}–${high}: wanted it within 100–599`);
  return { match: { $case: "status", value: { min: low, max: high } } };
}

function weightedDst(
  { authority = "", weight }: { authority?: string; weight?: number | string },
  port: number,
): WeightedDst {
  const hasPort = /:\d+$/.test(authority);
  return {
    authority: hasPort ? authority : `${authority}:${port}`,
    weight: milliUnits(weight ?? 0) * 10,
    backendRef: undefined,
  };
}

const QUANTITY_MILLI: Record<string, number> = { m: 1, "": 1_000, k: 1e6, M: 1e9, Ki: 1_024_000, Mi: 1_048_576_000 };

/** A Kubernetes quantity in thousandths, rounded up as Kubernetes does. */
function milliUnits(quantity: number | string): number {
  const match = /^(\d+(?:\.\d+)?)(m|k|M|Ki|Mi)?$/.exec(String(quantity).trim());
  if (!match) throw new Error(`Cannot parse weight "${quantity}": wanted a quantity like 1 or 500m`);
  return Math.min(Math.ceil(Number(match[1]) * QUANTITY_MILLI[match[2] ?? ""]!), 400_000_000); // ten times fits 32 bits
}
