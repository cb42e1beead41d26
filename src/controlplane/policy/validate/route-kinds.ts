/** Rules for HTTPRoute, GRPCRoute, TLSRoute and TCPRoute. `spec` is whatever somebody applied. */
import { parseDuration } from "#lib/duration";
import { grpcRetry, httpRetry, timeoutSettings } from "../core/route-settings.ts";
import { isMap, mapsOf, type Problems } from "./problems.ts";

type Spec = Readonly<Record<string, unknown>>;

export interface RouteInput {
  readonly kind: "httproute" | "grpcroute" | "tlsroute" | "tcproute";
  readonly isGatewayApi: boolean;
  readonly spec: Spec;
  readonly annotations: Readonly<Record<string, string>>;
}

export function checkRoute(problems: Problems, input: RouteInput): void {
  const { kind, spec } = input;
  const parents = mapsOf(problems, "spec.parentRefs", spec["parentRefs"]);
  checkParents(problems, parents);
  const rules = mapsOf(problems, "spec.rules", spec["rules"]);
  if (kind === "tlsroute" || kind === "tcproute") {
    problems.expect(rules.length === 1, "spec.rules", rules.length, "a list of exactly one rule");
    return;
  }
  if (parents.some((parent) => isOutbound(parent))) checkAnnotations(problems, input);
  for (const [i, rule] of rules.entries()) checkRule(problems, input, `spec.rules[${i}]`, rule);
}

function kindOf(ref: Spec): string {
  return typeof ref["kind"] === "string" ? ref["kind"].toLowerCase() : "";
}

function isOutbound(ref: Spec): boolean {
  return kindOf(ref) === "service" || kindOf(ref) === "egressnetwork";
}

function checkParents(problems: Problems, parents: readonly Spec[]): void {
  parents.forEach((parent, i) => {
    const isFine = kindOf(parent) !== "egressnetwork" || parent["port"] !== undefined;
    if (!isFine) problems.say(`spec.parentRefs[${i}]: an EgressNetwork needs a port`);
  });
}

function checkAnnotations(problems: Problems, { kind, annotations }: RouteInput): void {
  const retry = kind === "grpcroute" ? grpcRetry(annotations) : httpRetry(annotations);
  for (const { error } of [timeoutSettings(annotations), retry]) {
    if (error && !problems.messages.includes(error)) problems.say(error);
  }
}

function checkRule(problems: Problems, input: RouteInput, field: string, rule: Spec): void {
  mapsOf(problems, `${field}.matches`, rule["matches"]).forEach((match, i) => {
    checkMatch(problems, `${field}.matches[${i}]`, match);
  });
  mapsOf(problems, `${field}.filters`, rule["filters"]).forEach((filter, i) => {
    checkFilter(problems, `${field}.filters[${i}]`, filter);
  });
  if (input.isGatewayApi) checkBackends(problems, `${field}.backendRefs`, rule["backendRefs"]);
  if (!input.isGatewayApi && isMap(rule["timeouts"])) checkTimeouts(problems, `${field}.timeouts`, rule["timeouts"]);
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // RFC 9110 §5.6.2
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\uffff]*$/;

function checkMatch(problems: Problems, field: string, match: Spec): void {
  const path = match["path"];
  if (isMap(path)) checkPath(problems, `${field}.path`, path);
  const method = match["method"];
  if (isMap(method) && method["type"] === "RegularExpression") {
    problems.add(`${field}.method.type`, method["type"], "Exact: methods are not matched by regular expressions");
  }
  mapsOf(problems, `${field}.headers`, match["headers"]).forEach((header, i) => {
    checkHeader(problems, `${field}.headers[${i}]`, header);
  });
  mapsOf(problems, `${field}.queryParams`, match["queryParams"]).forEach(({ type, value }, i) => {
    if (type === "RegularExpression") checkRegex(problems, `${field}.queryParams[${i}].value`, value);
  });
}

function checkPath(problems: Problems, field: string, { type = "PathPrefix", value = "/" }: Spec): void {
  if (type === "RegularExpression") {
    checkRegex(problems, `${field}.value`, value);
    return;
  }
  problems.expect(
    typeof value === "string" && value.startsWith("/"),
    `${field}.value`,
    value,
    "a path that begins with /",
  );
}

function checkHeader(problems: Problems, field: string, { type, name, value }: Spec): void {
  problems.expect(typeof name === "string" && TOKEN.test(name), `${field}.name`, name, "a header name");
  if (type === "RegularExpression") {
    checkRegex(problems, `${field}.value`, value);
    return;
  }
  problems.expect(typeof value === "string" && FIELD_VALUE.test(value), `${field}.value`, value, "a header value");
}

/** Proxies read Rust's regular expressions: what JavaScript cannot compile either is surely wrong. */
function checkRegex(problems: Problems, field: string, value: unknown): void {
  try {
    if (typeof value === "string" && new RegExp(value.replace(/\(\?P</g, "(?<").replace(/^\(\?[a-z]+\)/, ""), "u"))
      return;
    problems.add(field, value, "a regular expression");
  } catch (cause) {
    problems.add(field, value, `a regular expression (${(cause as Error).message})`);
  }
}

function checkFilter(problems: Problems, field: string, filter: Spec): void {
  for (const name of ["requestHeaderModifier", "responseHeaderModifier"] as const) {
    const modifier = filter[name];
    if (isMap(modifier)) checkModifier(problems, `${field}.${name}`, modifier);
  }
  const redirect = filter["requestRedirect"];
  if (isMap(redirect)) checkRedirect(problems, `${field}.requestRedirect`, redirect);
}

function checkModifier(problems: Problems, field: string, modifier: Spec): void {
  for (const list of ["set", "add"] as const) {
    mapsOf(problems, `${field}.${list}`, modifier[list]).forEach((header, i) => {
      checkHeader(problems, `${field}.${list}[${i}]`, header);
    });
  }
  const remove: unknown = modifier["remove"] ?? [];
  if (!Array.isArray(remove)) {
    problems.add(`${field}.remove`, remove, "a list of header names");
    return;
  }
  remove.forEach((name: unknown, i) => {
    problems.expect(typeof name === "string" && TOKEN.test(name), `${field}.remove[${i}]`, name, "a header name");
  });
}

function checkRedirect(problems: Problems, field: string, { path, statusCode }: Spec): void {
  const isStatus =
    statusCode === undefined || (typeof statusCode === "number" && statusCode >= 100 && statusCode <= 599);
  problems.expect(isStatus, `${field}.statusCode`, statusCode, "an HTTP status");
  if (!isMap(path)) return;
  const key = path["type"] === "ReplaceFullPath" ? "replaceFullPath" : "replacePrefixMatch";
  const value = path[key];
  problems.expect(
    typeof value === "string" && value.startsWith("/"),
    `${field}.path.${key}`,
    value,
    "a path that begins with /",
  );
}

function checkBackends(problems: Problems, field: string, value: unknown): void {
  mapsOf(problems, field, value).forEach(({ group = "", kind = "Service", port }, i) => {
    const isService = kind === "Service" && (group === "" || group === "core");
    if (isService)
      problems.expect(typeof port === "number" && port > 0, `${field}[${i}].port`, port, "the port of the Service");
  });
}

function checkTimeouts(problems: Problems, field: string, timeouts: Spec): void {
  const read = (name: string): number | undefined => {
    const text = timeouts[name];
    if (text === undefined) return undefined;
    const ms = typeof text === "string" ? parseDuration(text).value : undefined;
    problems.expect(ms !== undefined, `${field}.${name}`, text, "a duration like 10s");
    return ms;
  };
  const request = read("request");
  const backend = read("backendRequest");
  if (request !== undefined && backend !== undefined && backend > request) {
    problems.add(`${field}.backendRequest`, timeouts["backendRequest"], `at most request, ${timeouts["request"]}`);
  }
}
