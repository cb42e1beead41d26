import { HeaderLine } from "#fields";
import type { Clock } from "#lib/clock";
import type { RequestHead } from "#message";
import type {
  DestinationProfile,
  RequestMatch as ProtoMatch,
  ResponseClass,
  Route,
  WeightedDst,
} from "#proto/destination";
import { RetryBudget } from "../../retry/budget.ts";
import type { RetryPolicy } from "../../retry/policy.ts";
import { type Filters, NO_FILTERS } from "../../route/filters.ts";
import { defaultRef, type MetaRef, readMetadata } from "../../route/metadata.ts";
import { pathOnly, type RequestMatch } from "../../route/request-match.ts";
import { RouteTable, type RuleEntry } from "../../route/route-table.ts";
import { readDuration, readMethod } from "../../route/wire-values.ts";
import { type BackendSpec, type Concretes, DEFAULT_LOAD, NO_TIMEOUTS } from "./compile.ts";
import type { ClientPolicy, Distribution, HttpRule } from "./policy.ts";

/** Whether a ServiceProfile has something to say about this destination's requests. */
export function hasProfileRoutes(profile: DestinationProfile): boolean {
  return profile.fullyQualifiedName !== "" && (profile.routes.length > 0 || profile.dstOverrides.length > 0);
}

/**
 * A ServiceProfile in the place of the policy's HTTP routes (and, when it splits traffic, of the opaque one).
 * Throws on what cannot be followed.
 */
export function applyProfile(
  policy: ClientPolicy,
  profile: DestinationProfile,
  port: number,
  concretes: Concretes,
  clock: Clock,
): ClientPolicy {
  const name = `${profile.fullyQualifiedName}:${port}`;
  const parent = readMetadata(profile.parentRef) ?? policy.parent;
  const specs = splitOf(profile.dstOverrides, name, parent);
  const http = distribute(specs, (spec) => concretes.http(spec, undefined));
  const budget = budgetOf(profile, clock);
  const common = { name, http, budget };
  const rules = [...profile.routes.map((route) => ruleOf(route, common)), defaultRule(common)];
  const table = new RouteTable<HttpRule>(rules);
  const tcp = profile.dstOverrides.length > 0 ? distribute(specs, (spec) => concretes.tcp(spec)) : undefined;
  return {
    ...policy,
    parent,
    http1: table,
    http2: table,
    opaque: tcp ? { route: defaultRef("opaq"), refusal: undefined, distribution: tcp } : policy.opaque,
  };
}

interface Common {
  readonly name: string;
  readonly http: HttpRule["distribution"];
  readonly budget: RetryBudget | undefined;
}

interface WeightedSpec {
  readonly spec: BackendSpec;
  readonly weight: number;
}

function splitOf(overrides: readonly WeightedDst[], name: string, parent: MetaRef): WeightedSpec[] {
  const spec = (path: string, ref: MetaRef): BackendSpec => ({
    key: `${path} profile`,
    ref,
    target: { path },
    load: DEFAULT_LOAD,
  });
  if (overrides.length === 0) return [{ spec: spec(name, parent), weight: 1 }];
  return overrides
    .filter(({ weight }) => weight > 0)
    .map(({ authority, weight, backendRef }) => {
      const path = authority.replace(/\.(?=:\d+$)/, "");
      return { spec: spec(path, readMetadata(backendRef) ?? defaultRef(path)), weight };
    });
}

function distribute<C>(specs: readonly WeightedSpec[], concrete: (spec: BackendSpec) => C): Distribution<C> {
  if (specs.length === 0) return { kind: "empty", backends: [], weightSums: [] };
  let sum = 0;
  return {
    kind: "random",
    weightSums: specs.map(({ weight }) => (sum += weight)),
    backends: specs.map(({ spec }) => ({
      ref: spec.ref,
      filters: NO_FILTERS,
      refusal: undefined,
      concrete: concrete(spec),
    })),
  };
}

function ruleOf(route: Route, common: Common): RuleEntry<HttpRule> {
  const label = route.metricsLabels.route ?? "";
  const test = compileMatch(route.condition);
  return {
    matches: [{ rank: [0], matches: test }],
    rule: {
      ...ruleBase(common, route.metricsLabels),
      route: { ...defaultRef(label), kind: "ServiceProfile" },
      timeouts: { ...NO_TIMEOUTS, requestMs: readDuration(route.timeout) ?? 0 },
      retry: route.isRetryable && common.budget ? retryOf(route.responseClasses, common.budget) : undefined,
    },
  };
}

function defaultRule(common: Common): RuleEntry<HttpRule> {
  const rule = { ...ruleBase(common, {}), route: defaultRef("default"), timeouts: NO_TIMEOUTS, retry: undefined };
  return { matches: [ANY], rule };
}

function ruleBase({ name, http }: Common, labels: Record<string, string>) {
  const metrics: Record<string, string> = { direction: "outbound", dst: name };
  for (const [key, value] of Object.entries(labels)) metrics[`rt_${key}`] = value;
  return { isGrpc: false, filters: canonical(name), distribution: http, prefix: undefined, profileLabels: metrics };
}

/** Tells the other proxy which service was meant. */
function canonical(name: string): Filters {
  const add = [new HeaderLine("l5d-dst-canonical", name)];
  return { ...NO_FILTERS, request: [{ remove: ["l5d-dst-canonical"], add, authority: undefined }] };
}

/** Failed responses are retried as often as the budget allows; a limit keeps one request from using it up. */
function retryOf(classes: readonly ResponseClass[], budget: RetryBudget): RetryPolicy {
  const ranges = classes.flatMap(({ isFailure, condition }) => {
    const match = condition?.match;
    return isFailure && match?.$case === "status" ? [{ start: match.value.min, end: match.value.max }] : [];
  });
  return {
    maxRetries: MAX_PROFILE_RETRIES,
    maxRequestBytes: 65_536,
    statusRanges: ranges.length > 0 ? ranges : [{ start: 500, end: 599 }],
    grpcCodes: new Set([2, 4, 7, 13, 14, 15]),
    headersTimeoutMs: 0,
    backoff: { minMs: 1, maxMs: 25, jitter: 1 },
    budget,
  };
}

function budgetOf({ retryBudget }: DestinationProfile, clock: Clock): RetryBudget | undefined {
  if (!retryBudget) return undefined;
  const { retryRatio, minRetriesPerSecond, ttl } = retryBudget;
  return RetryBudget.make(
    { ratio: retryRatio, minRetriesPerSecond, ttlMs: readDuration(ttl) ?? 0 },
    clock.monotonicMs(),
  );
}

function compileMatch(condition: ProtoMatch | undefined): (head: RequestHead) => boolean {
  const match = condition?.match;
  if (!match) throw new Error("a profile's route has no condition");
  switch (match.$case) {
    case "all": {
      const tests = match.value.matches.map(compileMatch);
      return (head) => tests.every((test) => test(head));
    }
    case "any": {
      const tests = match.value.matches.map(compileMatch);
      return (head) => tests.some((test) => test(head));
    }
    case "not": {
      const test = compileMatch(match.value);
      return (head) => !test(head);
    }
    case "path": {
      const pattern = new RegExp(`^(?:${match.value.regex})$`);
      return (head) => pattern.test(pathOnly(head.path));
    }
    case "method": {
      const method = readMethod(match.value);
      return (head) => head.method === method;
    }
  }
}

const ANY: RequestMatch = { rank: [0], matches: () => true };
const MAX_PROFILE_RETRIES = 10;
