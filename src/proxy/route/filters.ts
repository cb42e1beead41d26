import { HeaderLine } from "#fields";
import type { Random } from "#lib/random";
import type { RequestHead, ResponseHead } from "#message";
import type {
  HttpFailureInjector,
  Ratio,
  RequestHeaderModifier,
  RequestRedirect,
  ResponseHeaderModifier,
} from "#proto/http_route";
import { pathOnly } from "./request-match.ts";

/** Changes to a message's fields, worked out once: what is taken away, then what is added. */
export interface FieldEdits {
  readonly remove: readonly string[];
  readonly add: readonly HeaderLine[];
  /** A new authority, when `host` is set. */
  readonly authority: string | undefined;
}

export interface FailureInjection {
  readonly status: number;
  /** A gRPC code instead of the HTTP status; -1 for HTTP failures. */
  readonly grpcCode: number;
  readonly message: string;
  readonly ratio: number;
}

export interface Redirection {
  readonly scheme: string | undefined;
  readonly host: string | undefined;
  readonly port: number;
  readonly path: { readonly kind: "full" | "prefix"; readonly value: string } | undefined;
  readonly status: number;
}

/** The filters of a rule or backend, in the order they act. */
export interface Filters {
  readonly request: readonly FieldEdits[];
  readonly response: readonly FieldEdits[];
  readonly failures: readonly FailureInjection[];
  readonly redirect: Redirection | undefined;
}

export const NO_FILTERS: Filters = { request: [], response: [], failures: [], redirect: undefined };

interface ProtoFilter {
  readonly kind:
    | { readonly $case: "failureInjector"; readonly value: HttpFailureInjector | GrpcFailure }
    | { readonly $case: "requestHeaderModifier"; readonly value: RequestHeaderModifier }
    | { readonly $case: "responseHeaderModifier"; readonly value: ResponseHeaderModifier }
    | { readonly $case: "redirect"; readonly value: RequestRedirect }
    | undefined;
}

interface GrpcFailure {
  readonly code: number;
  readonly message: string;
  readonly ratio: Ratio | undefined;
}

/** Compiles a list of filters. Throws on one that is incomplete. */
export function compileFilters(filters: readonly ProtoFilter[]): Filters {
  if (filters.length === 0) return NO_FILTERS;
  const request: FieldEdits[] = [];
  const response: FieldEdits[] = [];
  const failures: FailureInjection[] = [];
  let redirect: Redirection | undefined;
  for (const { kind } of filters) {
    if (!kind) throw new Error("a filter has no kind");
    if (kind.$case === "requestHeaderModifier") request.push(compileEdits(kind.value));
    else if (kind.$case === "responseHeaderModifier") response.push(compileEdits(kind.value));
    else if (kind.$case === "failureInjector") failures.push(compileFailure(kind.value));
    else redirect ??= compileRedirect(kind.value);
  }
  return { request, response, failures, redirect };
}

/** The order of Linkerd's proxy: add, set, remove. So what is removed is not added, and what is set replaces both. */
function compileEdits(modifier: RequestHeaderModifier): FieldEdits {
  const remove = modifier.remove.map((name) => name.toLowerCase());
  const set = (modifier.set?.headers ?? []).map(readLine);
  const setNames = new Set(set.map(({ name }) => name));
  const added = (modifier.add?.headers ?? []).map(readLine).filter(({ name }) => !setNames.has(name));
  const kept = [...added, ...set].filter(({ name }) => !remove.includes(name));
  return {
    remove: [...remove, ...setNames],
    add: kept.filter(({ name }) => name !== "host").map(({ name, value }) => new HeaderLine(name, value)),
    authority: kept.find(({ name }) => name === "host")?.value,
  };
}

function readLine(header: { name: string; value: Uint8Array }): { name: string; value: string } {
  const name = header.name.toLowerCase();
  const value = Buffer.from(header.value).toString("latin1");
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw new Error(`header name "${header.name}" is not a token`);
  if (/[\0\r\n]/.test(value)) throw new Error(`the value for header "${name}" contains a line break`);
  return { name, value };
}

function compileFailure(value: HttpFailureInjector | GrpcFailure): FailureInjection {
  const { ratio } = value;
  const share = ratio && ratio.denominator > 0 ? ratio.numerator / ratio.denominator : 1;
  if ("code" in value) return { status: 200, grpcCode: value.code, message: value.message, ratio: share };
  if (value.status < 100 || value.status > 999) throw new Error(`failure status ${value.status} is not an HTTP status`);
  return { status: value.status, grpcCode: -1, message: value.message, ratio: share };
}

function compileRedirect(value: RequestRedirect): Redirection {
  const scheme = value.scheme?.type;
  const replace = value.path?.replace;
  if (replace && !replace.value.startsWith("/"))
    throw new Error(`redirect path "${replace.value}" does not begin with /`);
  return {
    scheme: !scheme ? undefined : scheme.$case === "registered" ? ["http", "https"][scheme.value] : scheme.value,
    host: value.host || undefined,
    port: value.port,
    path: replace && { kind: replace.$case, value: replace.value },
    status: value.status || 301,
  };
}

/** Takes fields away in place and appends what is to be added to `added`. */
export function editRequest(edits: readonly FieldEdits[], head: RequestHead, added: HeaderLine[]): void {
  for (const edit of edits) {
    editFields(edit, head, added);
    if (edit.authority !== undefined) head.authority = edit.authority;
  }
}

export function editResponse(edits: readonly FieldEdits[], head: ResponseHead, added: HeaderLine[]): void {
  for (const edit of edits) editFields(edit, head, added);
}

function editFields(edit: FieldEdits, head: RequestHead | ResponseHead, added: HeaderLine[]): void {
  const { fields } = head;
  for (const name of edit.remove) {
    for (let i = 0; i < fields.count; i++) if (fields.id(i) >= 0 && fields.nameIs(i, name)) fields.remove(i);
    for (let i = added.length - 1; i >= 0; i--) if (added[i].name === name) added.splice(i, 1);
  }
  added.push(...edit.add);
}

/** The failure that chance picks for this request, if any. */
export function drawFailure(failures: readonly FailureInjection[], random: Random): FailureInjection | undefined {
  for (const failure of failures) if (failure.ratio >= 1 || random.next() < failure.ratio) return failure;
  return undefined;
}

/** Where a redirect leads; undefined when it would lead to the request itself. `prefix` is what the rule matched on. */
export function locationOf(redirect: Redirection, head: RequestHead, prefix: string | undefined): string | undefined {
  const [host, port] = splitAuthority(head.authority);
  const scheme = redirect.scheme ?? head.scheme;
  const newPort = redirect.port ? `:${redirect.port}` : redirect.scheme || redirect.host ? "" : port;
  const authority = `${redirect.host ?? host}${newPort}`;
  const location = `${scheme}://${authority}${redirectedPath(redirect, head.path, prefix)}`;
  return location === `${head.scheme}://${head.authority}${head.path}` ? undefined : location;
}

function redirectedPath(redirect: Redirection, path: string, prefix: string | undefined): string {
  if (!redirect.path) return path;
  if (redirect.path.kind === "full") return redirect.path.value;
  const rest = pathOnly(path).slice((prefix ?? "").replace(/\/+$/, "").length);
  return `${redirect.path.value.replace(/\/+$/, "")}${rest}` || "/";
}

function splitAuthority(authority: string): [string, string] {
  const match = /^(.*?)(:\d+)?$/.exec(authority)!;
  return [match[1], match[2] ?? ""];
}
