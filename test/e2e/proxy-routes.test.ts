import { afterAll, beforeAll, expect, test } from "bun:test";
import type { HttpRoute_Rule, OutboundPolicy } from "#proto/outbound";
import { addUpdate, EMPTY_PROFILE, endpoint, servicePolicy } from "../support/fixture-control-plane.ts";
import { Mesh, type MeshedPod, sumOf } from "../support/mesh.ts";

let mesh: Mesh;
let web: MeshedPod;
let shop: MeshedPod;

beforeAll(async () => {
  mesh = await Mesh.start();
  [web, shop] = await Promise.all([mesh.addMeshed("web"), mesh.addMeshed("shop")]);
  await mesh.startApp(shop);
}, 60_000);

afterAll(() => mesh?.close());

/** A service at `vip` whose one HTTP rule is changed as the test wants it. */
function route(vip: string, change: Partial<HttpRoute_Rule>): void {
  const path = `routes${vip.replaceAll(".", "-")}.shop.svc.cluster.local:80`;
  const policy: OutboundPolicy = servicePolicy(path);
  const kind = policy.protocol?.kind;
  if (kind?.$case !== "detect") throw new Error("the fixture's policy detects");
  Object.assign(kind.value.http1!.routes[0].rules[0], change);
  mesh.control.profiles.set(`${vip}:80`, EMPTY_PROFILE);
  mesh.control.endpoints.set(
    path,
    addUpdate(endpoint(shop.ip, 8080, { id: shop.id, hint: "h2", viaInboundPort: true })),
  );
  mesh.control.outbound.set(`${vip}:80`, policy);
}

/** What curl prints of a response: its head, then its body. */
const curl = (...words: string[]) => web.run("curl", "-s", "-i", "-m", "10", ...words);
const header = (name: string, value: string) => ({ name, value: Buffer.from(value) });
const duration = (ms: number) => ({ seconds: 0n, nanos: ms * 1_000_000 });

test("a request that fails is sent again with its body, as often as the route says", async () => {
  route("10.96.1.1", {
    retry: {
      maxRetries: 2,
      maxRequestBytes: 65_536,
      conditions: { statusRanges: [{ start: 500, end: 599 }] },
      timeout: undefined,
      backoff: { minBackoff: duration(1), maxBackoff: duration(2), jitterRatio: 0, respectRetryAfterHint: false },
    },
  });
  const failed = await curl("-d", "body", "http://10.96.1.1/x?status=503");
  expect(failed).toStartWith("HTTP/1.1 503");
  expect(failed).toContain('"bytes":4');
  const inn = await shop.metrics();
  expect(sumOf(inn, "response_total", 'status_code="503"', 'direction="inbound"')).toBe(3);
  const out = await web.metrics();
  expect(sumOf(out, "outbound_http_route_retry_requests_total")).toBe(2);
  expect(sumOf(out, "outbound_http_route_retry_limit_exceeded_total")).toBe(1);
  expect(await curl("http://10.96.1.1/x?status=200")).toStartWith("HTTP/1.1 200");
}, 30_000);

test("header modifiers change requests and responses", async () => {
  route("10.96.1.2", {
    filters: [
      {
        kind: {
          $case: "requestHeaderModifier",
          value: {
            add: { headers: [header("x-added", "1")] },
            set: { headers: [header("user-agent", "mesh")] },
            remove: ["x-gone"],
          },
        },
      },
      {
        kind: {
          $case: "responseHeaderModifier",
          value: { add: undefined, set: { headers: [header("x-app", "changed")] }, remove: [] },
        },
      },
    ],
  });
  const answer = await curl("-H", "x-gone: 1", "http://10.96.1.2/");
  expect(answer).toContain("x-app: changed");
  expect(answer).not.toContain("x-app: yes");
  expect(answer).toContain('"x-added":"1"');
  expect(answer).toContain('"user-agent":"mesh"');
  expect(answer).not.toContain("x-gone");
}, 30_000);

test("a redirect, an injected failure and a missing backend are answered by the proxy", async () => {
  route("10.96.1.3", {
    filters: [
      {
        kind: {
          $case: "redirect",
          value: { scheme: undefined, host: "other.shop", path: undefined, port: 0, status: 302 },
        },
      },
    ],
  });
  const redirected = await curl("http://10.96.1.3/a?b=1");
  expect(redirected).toStartWith("HTTP/1.1 302");
  expect(redirected).toContain("location: http://other.shop/a?b=1");
  route("10.96.1.4", {
    filters: [{ kind: { $case: "failureInjector", value: { status: 418, message: "no", ratio: undefined } } }],
  });
  expect(await curl("http://10.96.1.4/")).toStartWith("HTTP/1.1 418");
  route("10.96.1.5", { backends: { kind: { $case: "empty", value: {} } } });
  expect(await curl("http://10.96.1.5/")).toStartWith("HTTP/1.1 503");
}, 30_000);

test("nothing at all is sent to a service without endpoints, and the client learns why", async () => {
  route("10.96.1.6", {});
  mesh.control.endpoints.set("routes10-96-1-6.shop.svc.cluster.local:80", {
    update: { $case: "noEndpoints", value: { exists: true } },
  });
  const answer = await curl("http://10.96.1.6/");
  expect(answer).toStartWith("HTTP/1.1 503");
  expect(answer).toContain("it has no endpoints");
}, 30_000);

test("a ServiceProfile replaces the policy's routes and names them in metrics", async () => {
  route("10.96.1.7", {});
  const path = "routes10-96-1-7.shop.svc.cluster.local";
  const status = { $case: "path" as const, value: { regex: "/books/\\d+" } };
  mesh.control.profiles.set("10.96.1.7:80", {
    ...EMPTY_PROFILE,
    fullyQualifiedName: path,
    retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 1, ttl: { seconds: 10n, nanos: 0 } },
    routes: [
      {
        condition: { match: status },
        responseClasses: [],
        metricsLabels: { route: "GET /books/{id}" },
        isRetryable: false,
        timeout: undefined,
      },
    ],
  });
  const answer = await curl("http://10.96.1.7/books/7");
  expect(answer).toStartWith("HTTP/1.1 200");
  expect(answer).toContain(`"l5d-dst-canonical":"${path}:80"`);
  expect(await curl("http://10.96.1.7/other")).toStartWith("HTTP/1.1 200");
  const out = await web.metrics();
  expect(sumOf(out, "route_request_total", `dst="${path}:80"`)).toBe(2);
  expect(sumOf(out, "route_response_total", 'rt_route="GET /books/{id}"', 'status_code="200"')).toBe(1);
}, 30_000);
