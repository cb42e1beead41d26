import type { RequestHead } from "#message";
import type { GrpcRouteMatch } from "#proto/grpc_route";
import type { HeaderMatch, HostMatch, HttpRouteMatch, QueryParamMatch } from "#proto/http_route";
import { readMethod } from "./wire-values.ts";

/** One way to match a request, with its rank among all ways. */
export interface RequestMatch {
  /** Compared place by place, larger first: host kind, host length, path, headers, queries, method. */
  readonly rank: readonly number[];
  matches(head: RequestHead, host: string): boolean;
}

/** What is read of a request besides its fields: the host without port, lower-case; empty for an IP literal. */
export function hostOf(authority: string): string {
  const host = authority.replace(/:\d+$/, "").toLowerCase();
  return host.startsWith("[") || /^[\d.]+$/.test(host) ? "" : host;
}

/** Every combination of a route's hosts and one rule's HTTP matches. Throws on what cannot be compiled. */
export function compileHttpMatches(hosts: readonly HostMatch[], matches: readonly HttpRouteMatch[]): RequestMatch[] {
  const list = matches.length > 0 ? matches.map(compileHttp) : [ANYTHING];
  return withHosts(hosts, list);
}

/** The same for gRPC: only POST to `/service/method`. */
export function compileGrpcMatches(hosts: readonly HostMatch[], matches: readonly GrpcRouteMatch[]): RequestMatch[] {
  const list = matches.length > 0 ? matches.map(compileGrpc) : [compileGrpc({ rpc: undefined, headers: [] })];
  return withHosts(hosts, list);
}

interface Part {
  readonly rank: readonly number[];
  matches(head: RequestHead): boolean;
}

const ANYTHING: Part = { rank: [1, 0, 0, 0], matches: () => true };

function withHosts(hosts: readonly HostMatch[], parts: readonly Part[]): RequestMatch[] {
  if (hosts.length === 0) return parts.map(({ rank, matches }) => ({ rank: [0, 0, ...rank], matches }));
  return hosts.flatMap((host) => {
    const test = compileHost(host);
    return parts.map((part) => ({
      rank: [...test.rank, ...part.rank],
      matches: (head, name) => test.matches(name) && part.matches(head),
    }));
  });
}

function compileHost(host: HostMatch): { rank: [number, number]; matches(name: string): boolean } {
  const match = host.match;
  if (match?.$case === "exact") {
    const wanted = match.value.toLowerCase();
    return { rank: [2, wanted.length], matches: (name) => name === wanted };
  }
  const suffix = `.${[...(match?.value.reverseLabels ?? [])].reverse().join(".").toLowerCase()}`;
  return { rank: [1, suffix.length], matches: (name) => name.length > suffix.length && name.endsWith(suffix) };
}

function compileHttp(match: HttpRouteMatch): Part {
  const path = compilePath(match.path?.kind);
  const headers = match.headers.map(compileHeader);
  const queries = match.queryParams.map(compileQuery);
  const method = readMethod(match.method);
  return {
    rank: [path.length, headers.length, queries.length, method === undefined ? 0 : 1],
    matches: (head) =>
      (method === undefined || head.method === method) &&
      path.matches(head.path) &&
      headers.every((test) => test(head)) &&
      (queries.length === 0 || matchQueries(queries, head.path)),
  };
}

type PathKind = NonNullable<HttpRouteMatch["path"]>["kind"];

function compilePath(kind: PathKind): { length: number; matches(path: string): boolean } {
  if (!kind) return { length: 1, matches: () => true };
  const { value } = kind;
  if (kind.$case === "exact") return { length: value.length, matches: (path) => pathOnly(path) === value };
  if (kind.$case === "regex") {
    const pattern = anchored(value);
    return { length: value.length, matches: (path) => pattern.test(pathOnly(path)) };
  }
  const prefix = value.replace(/\/+$/, "");
  if (prefix === "") return { length: value.length, matches: () => true };
  return {
    length: value.length,
    matches: (path) => {
      if (!path.startsWith(prefix)) return false;
      const next = path.charCodeAt(prefix.length); // NaN at the end
      return path.length === prefix.length || next === 0x2f || next === 0x3f;
    },
  };
}

/** The path without its query. */
export function pathOnly(path: string): string {
  const at = path.indexOf("?");
  return at < 0 ? path : path.slice(0, at);
}

function compileHeader(match: HeaderMatch): (head: RequestHead) => boolean {
  const test = compileValue(
    match.value?.$case === "exact"
      ? { $case: "exact", value: Buffer.from(match.value.value).toString("latin1") }
      : match.value,
  );
  const name = match.name.toLowerCase();
  if (name === "host") return (head) => test(head.authority);
  return (head) => {
    const { fields } = head;
    for (let i = 0; i < fields.count; i++) {
      if (fields.id(i) >= 0 && fields.nameIs(i, name) && test(fields.value(i))) return true;
    }
    return false;
  };
}

interface QueryTest {
  readonly name: string;
  readonly test: (value: string) => boolean;
}

function compileQuery(match: QueryParamMatch): QueryTest {
  return { name: match.name, test: compileValue(match.value) };
}

function matchQueries(queries: readonly QueryTest[], path: string): boolean {
  const at = path.indexOf("?");
  const values = new URLSearchParams(at < 0 ? "" : path.slice(at + 1));
  return queries.every(({ name, test }) => values.getAll(name).some(test));
}

function compileValue(value: QueryParamMatch["value"]): (text: string) => boolean {
  if (!value) throw new Error("a match has neither an exact value nor a regex");
  if (value.$case === "exact") return (text) => text === value.value;
  const pattern = anchored(value.value);
  return (text) => pattern.test(text);
}

/** Patterns match the whole text. They come from cluster operators, not from peers. */
function anchored(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}

function compileGrpc(match: GrpcRouteMatch): Part {
  const service = match.rpc?.service ?? "";
  const method = match.rpc?.method ?? "";
  const headers = match.headers.map(compileHeader);
  return {
    rank: [service.length, method.length, headers.length, 0],
    matches: (head) => {
      if (head.method !== "POST") return false;
      const parts = /^\/([^/?]+)\/([^/?]+)$/.exec(head.path);
      if (!parts) return false;
      return (
        (service === "" || parts[1] === service) &&
        (method === "" || parts[2] === method) &&
        headers.every((test) => test(head))
      );
    },
  };
}
