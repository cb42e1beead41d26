import { parseDuration } from "#lib/duration";

type Spec = Readonly<Record<string, unknown>>;

/**
 * What is wrong with a ServiceProfile, a sentence per problem with its field and what was wanted; empty when nothing is.
 * Unknown fields are refused: a misspelt `isRetryable` would be stored and never act.
 */
export function validateProfile(object: Readonly<Record<string, unknown>>): readonly string[] {
  const check = new Check();
  check.keys("", object, ["apiVersion", "kind", "metadata", "spec"]);
  checkName(check, object["metadata"]);
  const spec = check.map("spec", object["spec"]);
  if (!spec) return check.problems;
  check.keys("spec.", spec, ["routes", "retryBudget", "dstOverrides", "opaquePorts"]);
  check.list("spec.routes", spec["routes"]).forEach(([field, route]) => {
    checkRoute(check, field, route);
  });
  if (spec["retryBudget"] !== undefined) checkBudget(check, spec["retryBudget"]);
  check.list("spec.dstOverrides", spec["dstOverrides"]).forEach(([field, override]) => {
    checkOverride(check, field, override);
  });
  return check.problems;
}

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function checkName(check: Check, metadata: unknown): void {
  const name = isMap(metadata) ? metadata["name"] : undefined;
  const isName = typeof name === "string" && name.length <= 253 && NAME.test(name);
  check.expect(isName, "metadata.name", name, "the DNS name of a service, like web.shop.svc.cluster.local");
}

function checkRoute(check: Check, field: string, value: unknown): void {
  const route = check.map(field, value);
  if (!route) return;
  check.keys(`${field}.`, route, ["name", "condition", "responseClasses", "isRetryable", "timeout"]);
  const { name, condition, isRetryable, timeout } = route;
  check.expect(typeof name === "string" && name !== "", `${field}.name`, name, "a name");
  checkCondition(check, `${field}.condition`, condition, REQUEST);
  check.expect(
    isRetryable === undefined || typeof isRetryable === "boolean",
    `${field}.isRetryable`,
    isRetryable,
    "true or false",
  );
  if (timeout !== undefined) checkDuration(check, `${field}.timeout`, timeout);
  check.list(`${field}.responseClasses`, route["responseClasses"]).forEach(([at, item]) => {
    const responseClass = check.map(at, item);
    if (!responseClass) return;
    check.keys(`${at}.`, responseClass, ["condition", "isFailure"]);
    const { isFailure } = responseClass;
    check.expect(
      isFailure === undefined || typeof isFailure === "boolean",
      `${at}.isFailure`,
      isFailure,
      "true or false",
    );
    checkCondition(check, `${at}.condition`, responseClass["condition"], RESPONSE);
  });
}

/** What a condition may test itself, beside all, any and not. */
interface Leaves {
  readonly keys: readonly string[];
  readonly check: (check: Check, field: string, condition: Spec) => void;
}

const REQUEST: Leaves = { keys: ["pathRegex", "method"], check: checkRequestLeaves };
const RESPONSE: Leaves = { keys: ["status"], check: checkResponseLeaves };
const MAX_DEPTH = 20; // deeper than anybody writes; a bound on what one object makes us do

function checkCondition(check: Check, field: string, value: unknown, leaves: Leaves, depth = 0): void {
  const condition = check.map(field, value);
  if (!condition) return;
  if (depth > MAX_DEPTH) {
    check.say(`${field}: conditions must be nested at most ${MAX_DEPTH} deep`);
    return;
  }
  const keys = [...leaves.keys, "all", "any", "not"];
  check.keys(`${field}.`, condition, keys);
  if (!keys.some((key) => condition[key] !== undefined)) check.say(`${field}: one of ${keys.join(", ")} must be set`);
  leaves.check(check, field, condition);
  for (const key of ["all", "any"] as const) {
    for (const [at, item] of check.list(`${field}.${key}`, condition[key])) {
      checkCondition(check, at, item, leaves, depth + 1);
    }
  }
  if (condition["not"] !== undefined) checkCondition(check, `${field}.not`, condition["not"], leaves, depth + 1);
}

function checkRequestLeaves(check: Check, field: string, { pathRegex, method }: Spec): void {
  if (method !== undefined) {
    const isMethod = typeof method === "string" && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(method);
    check.expect(isMethod, `${field}.method`, method, "an HTTP method");
  }
  if (pathRegex === undefined) return;
  const problem = typeof pathRegex === "string" ? regexProblem(pathRegex) : "it is no text";
  check.expect(problem === undefined, `${field}.pathRegex`, pathRegex, `a regular expression (${problem})`);
}

/** The proxy's dialect has named groups as `(?P<name>…)` and leading flags; the rest is shared with JavaScript's. */
function regexProblem(text: string): string | undefined {
  try {
    new RegExp(text.replace(/\(\?P</g, "(?<").replace(/^\(\?[a-z]+\)/, ""));
    return undefined;
  } catch (cause) {
    return (cause as Error).message;
  }
}

function checkResponseLeaves(check: Check, field: string, { status }: Spec): void {
  if (status === undefined) return;
  const range = check.map(`${field}.status`, status);
  if (!range) return;
  check.keys(`${field}.status.`, range, ["min", "max"]);
  const bound = (name: "min" | "max"): number => {
    const value = range[name] ?? 0;
    const isStatus = Number.isInteger(value) && (value === 0 || ((value as number) >= 100 && (value as number) <= 599));
    check.expect(isStatus, `${field}.status.${name}`, value, "an HTTP status from 100 to 599");
    return isStatus ? (value as number) : 0;
  };
  const min = bound("min");
  const max = bound("max");
  if (!range["min"] && !range["max"]) check.say(`${field}.status: one of min, max must be set`);
  if (min && max && max < min) check.say(`${field}.status: max ${max} must not be below min ${min}`);
}

function checkBudget(check: Check, value: unknown): void {
  const budget = check.map("spec.retryBudget", value);
  if (!budget) return;
  check.keys("spec.retryBudget.", budget, ["retryRatio", "minRetriesPerSecond", "ttl"]);
  const { retryRatio, minRetriesPerSecond, ttl } = budget;
  check.expect(
    typeof retryRatio === "number" && retryRatio >= 0,
    "spec.retryBudget.retryRatio",
    retryRatio,
    "a number from 0",
  );
  const isCount = Number.isInteger(minRetriesPerSecond) && (minRetriesPerSecond as number) >= 0;
  check.expect(isCount, "spec.retryBudget.minRetriesPerSecond", minRetriesPerSecond, "a whole number from 0");
  checkDuration(check, "spec.retryBudget.ttl", ttl);
}

function checkOverride(check: Check, field: string, value: unknown): void {
  const override = check.map(field, value);
  if (!override) return;
  check.keys(`${field}.`, override, ["authority", "weight"]);
  const { authority, weight } = override;
  const isAuthority = typeof authority === "string" && /^[a-z0-9.-]+(:\d{1,5})?$/i.test(authority);
  check.expect(isAuthority, `${field}.authority`, authority, "a service's DNS name, with or without a port");
  const isWeight =
    typeof weight === "number" ? weight >= 0 : typeof weight === "string" && /^\d+(\.\d+)?m?k?$/.test(weight);
  check.expect(isWeight, `${field}.weight`, weight, "a quantity from 0, like 1 or 500m");
}

function checkDuration(check: Check, field: string, value: unknown): void {
  const isDuration = typeof value === "string" && parseDuration(value).value !== undefined;
  check.expect(isDuration, field, value, "a duration like 300ms or 1m30s");
}

function isMap(value: unknown): value is Spec {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const MAX_QUOTED_CHARS = 100;

/** Collects problems. */
class Check {
  readonly problems: string[] = [];

  say(problem: string): void {
    this.problems.push(problem);
  }

  expect(holds: boolean, field: string, value: unknown, wanted: string): void {
    if (holds) return;
    const text = JSON.stringify(value) ?? "nothing";
    this.say(
      `${field}: ${text.length > MAX_QUOTED_CHARS ? `${text.slice(0, MAX_QUOTED_CHARS)}…` : text} must be ${wanted}`,
    );
  }

  /** The value when it is a map. */
  map(field: string, value: unknown): Spec | undefined {
    this.expect(isMap(value), field, value, "a map");
    return isMap(value) ? value : undefined;
  }

  /** The members of a list with their fields; an absent list is empty. */
  list(field: string, value: unknown): [field: string, item: unknown][] {
    if (value === undefined || value === null) return [];
    this.expect(Array.isArray(value), field, value, "a list");
    return Array.isArray(value) ? value.map((item: unknown, i) => [`${field}[${i}]`, item]) : [];
  }

  keys(prefix: string, map: Spec, known: readonly string[]): void {
    for (const key of Object.keys(map)) {
      if (!known.includes(key)) this.say(`${prefix}${key}: unknown field; known are ${known.join(", ")}`);
    }
  }
}
