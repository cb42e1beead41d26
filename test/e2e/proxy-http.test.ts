import { afterAll, beforeAll, expect, test } from "bun:test";
import { addUpdate, EMPTY_PROFILE, endpoint, servicePolicy } from "../support/fixture-control-plane.ts";
import { client, Mesh, type MeshedPod, sumOf } from "../support/mesh.ts";
import type { Pod } from "../support/netns.ts";
import { until } from "../support/netns.ts";

const HTTP_VIP = "10.96.0.20:80";
const GRPC_VIP = "10.96.0.21:81";
const PLAIN_VIP = "10.96.0.22:80";
let mesh: Mesh;
let web: MeshedPod;
let shop: MeshedPod;
let stranger: Pod;

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

beforeAll(async () => {
  mesh = await Mesh.start();
  [web, shop] = await Promise.all([mesh.addMeshed("web"), mesh.addMeshed("shop")]);
  stranger = mesh.network.addPod({ isMeshed: false });
  await mesh.startApp(shop);
  const { control } = mesh;
  const meshed = { id: shop.id, hint: "h2" as const, viaInboundPort: true };
  for (const [vip, path, port, options] of [
    [HTTP_VIP, "web.shop.svc.cluster.local:80", 8080, meshed],
    [GRPC_VIP, "grpc.shop.svc.cluster.local:81", 8081, meshed],
    [PLAIN_VIP, "plain.shop.svc.cluster.local:80", 8080, { id: shop.id }],
  ] as const) {
    control.profiles.set(vip, EMPTY_PROFILE);
    control.endpoints.set(path, addUpdate(endpoint(shop.ip, port, options)));
    control.outbound.set(vip, servicePolicy(path));
  }
}, 60_000);

afterAll(() => mesh?.close());

test("HTTP/1.1 requests travel as HTTP/2 between proxies and arrive as they were", async () => {
  const count = 20;
  const answers = await client<Answer[]>(web, "http", HTTP_VIP, count);
  expect(answers.map(({ status }) => status)).toEqual(new Array(count).fill(200));
  const seen = JSON.parse(answers[1].text);
  expect(seen).toMatchObject({ method: "POST", url: "/path/1?status=200", bytes: 5000 });
  expect(seen.headers).toMatchObject({ host: "web.shop", "x-test": "1", "l5d-client-id": web.id });
  expect(seen.headers["l5d-orig-proto"]).toBeUndefined();
  expect(answers[0].headers["x-app"]).toBe("yes");
  expect(answers[0].headers["l5d-orig-proto"]).toBeUndefined();
  await until("both proxies counted every request", async () => {
    const out = await web.metrics();
    return sumOf(out, "response_total", 'status_code="200"', `server_id="${shop.id}"`) >= count;
  });
  const [out, inn] = await Promise.all([web.metrics(), shop.metrics()]);
  expect(sumOf(out, "request_total", 'direction="outbound"', 'tls="true"', `server_id="${shop.id}"`)).toBe(count);
  expect(sumOf(inn, "request_total", 'direction="inbound"', 'tls="true"', `client_id="${web.id}"`)).toBe(count);
  expect(sumOf(inn, "response_total", 'status_code="200"', 'classification="success"', `client_id="${web.id}"`)).toBe(
    count,
  );
  expect(sumOf(inn, "response_latency_ms_count", 'direction="inbound"', `client_id="${web.id}"`)).toBe(count);
  expect(sumOf(out, "outbound_http_route_request_statuses_total", 'http_status="200"', 'parent_name="web"')).toBe(
    count,
  );
}, 30_000);

test("gRPC streams and their trailers pass through two proxies", async () => {
  const seen = await client<Record<string, unknown>>(web, "grpc", GRPC_VIP);
  expect(seen).toEqual({
    messages: [0, 1, 2].map((i) => `hello ${i} ${web.id}`),
    code: 0,
    details: "OK",
    trailer: "kept",
  });
  const inn = await shop.metrics();
  expect(sumOf(inn, "response_total", 'grpc_status="0"', 'classification="success"')).toBe(1);
}, 30_000);

test("a meshed peer without hints is spoken to in mesh TLS at its own port", async () => {
  const [answer] = await client<Answer[]>(web, "http", PLAIN_VIP, 1);
  expect(answer.status).toBe(200);
  expect(JSON.parse(answer.text).headers["l5d-client-id"]).toBe(web.id);
}, 30_000);

test("an unmeshed client is served, without an identity it could claim", async () => {
  for (const name of ["l5d-client-id", "L5D-Client-ID"]) {
    const text = await stranger.run("curl", "-s", "-H", `${name}: admin.shop`, `http://${shop.ip}:8080/plain`);
    const seen = JSON.parse(text);
    expect(seen.url).toBe("/plain");
    expect(seen.headers["l5d-client-id"]).toBeUndefined();
  }
  const inn = await shop.metrics();
  const labels = ['direction="inbound"', 'tls="no_identity"', 'no_tls_reason="no_tls_from_remote"'];
  expect(sumOf(inn, "request_total", ...labels)).toBe(2);
}, 30_000);

test("a meshed client cannot claim another identity", async () => {
  const text = await web.run("curl", "-s", "-H", "L5d-Client-Id: admin.shop", `http://${HTTP_VIP}/claim`);
  expect(JSON.parse(text).headers["l5d-client-id"]).toBe(web.id);
}, 30_000);

test("an upgraded connection becomes a tunnel through both proxies", async () => {
  const { text } = await client<{ text: string }>(web, "upgrade", HTTP_VIP);
  expect(text).toStartWith("HTTP/1.1 101 ");
  expect(text.toLowerCase()).toContain(`x-client: ${web.id}`);
  expect(text).toEndWith("\r\n\r\nthrough the tunnel");
}, 30_000);

test("where policy asks for an identity, others get 403 and are counted", async () => {
  mesh.control.inbound.set("shop:8080", {
    protocol: {
      kind: {
        $case: "detect",
        value: { timeout: { seconds: 10n, nanos: 0 }, httpRoutes: [], httpLocalRateLimit: undefined },
      },
    },
    serverIps: [],
    labels: { group: "policy.linkerd.io", kind: "server", name: "web-http" },
    authorizations: [
      {
        networks: [{ net: { ip: { ip: { $case: "ipv4", value: 0 } }, prefixLen: 0 }, except: [] }],
        authentication: {
          permit: {
            $case: "meshTLS",
            value: { clients: { $case: "identities", value: { identities: [{ name: web.id }], suffixes: [] } } },
          },
        },
        labels: {},
        metadata: { kind: { $case: "default", value: "web-only" } },
      },
    ],
  });
  const status = () =>
    stranger.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", `http://${shop.ip}:8080/secret`);
  await until("the policy is in force", async () => (await status()) === "403");
  const [answer] = await client<Answer[]>(web, "http", HTTP_VIP, 1);
  expect(answer.status).toBe(200);
  const inn = await shop.metrics();
  expect(sumOf(inn, "inbound_http_authz_deny_total", 'srv_name="web-http"', 'tls="no_identity"')).toBe(1);
  expect(sumOf(inn, "inbound_http_authz_allow_total", 'srv_name="web-http"', 'authz_name="web-only"')).toBe(1);
}, 30_000);
