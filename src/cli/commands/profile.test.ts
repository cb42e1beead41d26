import { afterEach, expect, test } from "bun:test";
import { parseYamlAll } from "#lib/yaml";
import { CliBench } from "../../../test/support/cli.ts";

const benches: CliBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

async function profile(args: string[], stdin = "") {
  const bench = new CliBench();
  benches.push(bench);
  return bench.run(["profile", "--ignore-cluster", "-n", "shop", ...args], stdin);
}

test("an OpenAPI document gives a route per path and method, in order", async () => {
  const document = `
swagger: "2.0"
basePath: /api
paths:
  /books/{id}.json:
    put: {responses: {"503": {}, "200": {}, default: {}}, x-linkerd-timeout: 2s}
    get: {x-linkerd-retryable: true}
  /authors: {post: {}}
`;
  const { code, out } = await profile(["--open-api", "-", "web"], document);
  expect(code).toBe(0);
  const [object] = parseYamlAll(out) as { metadata: object; spec: { routes: unknown[] } }[];
  expect(object!.metadata).toEqual({ name: "web.shop.svc.cluster.local", namespace: "shop" });
  expect(object!.spec.routes).toEqual([
    { name: "POST /api/authors", condition: { method: "POST", pathRegex: "/api/authors" } },
    {
      name: "GET /api/books/{id}.json",
      condition: { method: "GET", pathRegex: "/api/books/[^/]*\\.json" },
      isRetryable: true,
    },
    {
      name: "PUT /api/books/{id}.json",
      condition: { method: "PUT", pathRegex: "/api/books/[^/]*\\.json" },
      responseClasses: [
        { condition: { status: { min: 200, max: 200 } } },
        { condition: { status: { min: 503, max: 503 } }, isFailure: true },
      ],
      timeout: "2s",
    },
  ]);
});

test("a .proto file gives a route per rpc; what is idempotent may be retried", async () => {
  const proto = `syntax = "proto3";
package shop.v1;
// service Old { rpc Gone(A) returns (B); }
service Voting {
  rpc Vote(VoteRequest) returns (VoteReply);
  rpc Watch(stream A) returns (stream B) { option idempotency_level = NO_SIDE_EFFECTS; }
}`;
  const { out } = await profile(["--proto", "-", "voting"], proto);
  const [object] = parseYamlAll(out) as { spec: { routes: unknown[] } }[];
  expect(object!.spec.routes).toEqual([
    { name: "Vote", condition: { method: "POST", pathRegex: "/shop\\.v1\\.Voting/Vote" } },
    { name: "Watch", condition: { method: "POST", pathRegex: "/shop\\.v1\\.Voting/Watch" }, isRetryable: true },
  ]);
});

test("the template is a valid profile", async () => {
  const { out } = await profile(["--template", "web"]);
  expect(parseYamlAll(out)).toEqual([expect.objectContaining({ kind: "ServiceProfile" })]);
});

const bad: [string[], string, string][] = [
  [["web"], "", "exactly one of --template, --open-api, or --proto"],
  [["--template", "--proto", "-", "web"], "", "exactly one of"],
  [["--template", "Not_A_Label"], "", 'invalid service "Not_A_Label"'],
  [["--open-api", "-", "web"], "a: [", "Cannot read the OpenAPI document"],
  [["--open-api", "-", "web"], "swagger: '2.0'", 'it has no "paths"'],
  [["--proto", "-", "web"], "message A {}", "there is no rpc in it"],
];

for (const [args, stdin, message] of bad) {
  test(`profile ${args.join(" ")} with ${JSON.stringify(stdin)} is refused`, async () => {
    const { code, out, err } = await profile(args, stdin);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(message);
  });
}
