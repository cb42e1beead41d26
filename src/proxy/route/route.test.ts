import { expect, test } from "bun:test";
import { RequestHead } from "#message";
import type { HostMatch, HttpRouteMatch } from "#proto/http_route";
import { compileFilters, editRequest, locationOf } from "./filters.ts";
import { compileGrpcMatches, compileHttpMatches } from "./request-match.ts";
import { RouteTable } from "./route-table.ts";

function head(path: string, extra: Partial<RequestHead> & { headers?: string } = {}): RequestHead {
  const made = new RequestHead();
  const bytes = Buffer.from(extra.headers ?? "", "latin1");
  made.fields.clear(bytes);
  for (const line of (extra.headers ?? "").split("\n").filter((text) => text !== "")) {
    const at = (extra.headers ?? "").indexOf(line);
    const colon = line.indexOf(":");
    made.fields.push(0, at, at + colon, at + colon + 1, at + line.length, null);
  }
  return Object.assign(made, { path, method: "GET", authority: "web.shop", ...extra });
}

const match = (extra: Partial<HttpRouteMatch>): HttpRouteMatch => ({
  path: undefined,
  headers: [],
  queryParams: [],
  method: undefined,
  ...extra,
});
const prefix = (value: string) => match({ path: { kind: { $case: "prefix", value } } });
const exact = (value: string) => match({ path: { kind: { $case: "exact", value } } });
const host = (value: string): HostMatch => ({ match: { $case: "exact", value } });

function table(rules: Record<string, { hosts?: HostMatch[]; matches: HttpRouteMatch[] }>): RouteTable<string> {
  return new RouteTable(
    Object.entries(rules).map(([rule, { hosts, matches }]) => ({
      rule,
      matches: compileHttpMatches(hosts ?? [], matches),
    })),
  );
}

test("the longest path wins whatever its kind, then headers, then method", () => {
  const routes = table({
    root: { matches: [] },
    api: { matches: [prefix("/api")] },
    exact: { matches: [exact("/api/v1")] },
    post: { matches: [match({ ...prefix("/api"), method: { type: { $case: "registered", value: 1 } } })] },
    header: {
      matches: [match({ ...prefix("/api"), headers: [{ name: "X-Env", value: { $case: "regex", value: "ca.*" } }] })],
    },
  });
  expect(routes.find(head("/"))).toBe("root");
  expect(routes.find(head("/apiary"))).toBe("root");
  expect(routes.find(head("/api"))).toBe("api");
  expect(routes.find(head("/api?x=1"))).toBe("api");
  expect(routes.find(head("/api/v1"))).toBe("exact");
  expect(routes.find(head("/api/v1/x"))).toBe("api");
  expect(routes.find(head("/api/x", { method: "POST" }))).toBe("post");
  expect(routes.find(head("/api/x", { method: "POST", headers: "x-env:canary\n" }))).toBe("header");
  expect(routes.find(head("/api/x", { headers: "x-env:xcanary\n" }))).toBe("api");
});

test("an exact host beats a suffix, a suffix beats none, and IP literals match no host", () => {
  const routes = table({
    none: { matches: [prefix("/long/path/that/would/win")] },
    any: { matches: [] },
    suffix: { hosts: [{ match: { $case: "suffix", value: { reverseLabels: ["shop"] } } }], matches: [] },
    exact: { hosts: [host("web.shop")], matches: [] },
  });
  expect(routes.find(head("/long/path/that/would/win", { authority: "WEB.shop:80" }))).toBe("exact");
  expect(routes.find(head("/", { authority: "a.shop" }))).toBe("suffix");
  expect(routes.find(head("/", { authority: "shop" }))).toBe("any");
  expect(routes.find(head("/", { authority: "10.0.0.1:80" }))).toBe("any");
});

test("query parameters all have to match", () => {
  const one = match({ queryParams: [{ name: "a", value: { $case: "exact", value: "1 2" } }] });
  const routes = table({ one: { matches: [one] } });
  expect(routes.find(head("/?b=2&a=1+2"))).toBe("one");
  expect(routes.find(head("/?a=12"))).toBeUndefined();
});

test("gRPC routes take POST to /service/method only", () => {
  const rpc = (service: string, method: string) => compileGrpcMatches([], [{ rpc: { service, method }, headers: [] }]);
  const routes = new RouteTable([
    { rule: "service", matches: rpc("voting.Vote", "") },
    { rule: "method", matches: rpc("voting.Vote", "Cast") },
  ]);
  expect(routes.find(head("/voting.Vote/Cast", { method: "POST" }))).toBe("method");
  expect(routes.find(head("/voting.Vote/List", { method: "POST" }))).toBe("service");
  expect(routes.find(head("/voting.Vote/Cast"))).toBeUndefined();
  expect(routes.find(head("/voting.Vote", { method: "POST" }))).toBeUndefined();
});

test("header edits take away before they add", () => {
  const line = (name: string, value: string) => ({ name, value: Buffer.from(value) });
  const filters = compileFilters([
    {
      kind: {
        $case: "requestHeaderModifier",
        value: {
          add: { headers: [line("X-A", "1"), line("x-b", "2")] },
          set: { headers: [line("x-c", "3")] },
          remove: ["X-B", "x-d"],
        },
      },
    },
  ]);
  const request = head("/", { headers: "x-a:0\nx-c:0\nx-d:0\n" });
  const added: Parameters<typeof editRequest>[2] = [];
  editRequest(filters.request, request, added);
  expect(added.map(({ name, value }) => `${name}=${value}`)).toEqual(["x-a=1", "x-c=3"]);
  expect(request.fields.get("x-a")).toBe("0");
  expect(request.fields.get("x-c")).toBeUndefined();
  expect(request.fields.get("x-d")).toBeUndefined();
});

test("a redirect changes only what it names, and never leads to itself", () => {
  const plain = { scheme: undefined, host: undefined, port: 0, path: undefined, status: 301 };
  const request = head("/api/x?q=1", { authority: "web.shop:8080" });
  expect(locationOf({ ...plain, scheme: "https" }, request, undefined)).toBe("https://web.shop/api/x?q=1");
  expect(locationOf({ ...plain, path: { kind: "prefix", value: "/v2" } }, request, "/api")).toBe(
    "http://web.shop:8080/v2/x",
  );
  expect(locationOf(plain, request, undefined)).toBeUndefined();
});
