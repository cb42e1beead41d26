import { afterAll, beforeAll, expect, test } from "bun:test";
import { addUpdate, EMPTY_PROFILE, endpoint, servicePolicy } from "../support/fixture-control-plane.ts";
import { client, Mesh, type MeshedPod, sumOf } from "../support/mesh.ts";

const VIP = "10.96.0.10:9000";
const FIRST_VIP = "10.96.0.11:9001";
let mesh: Mesh;
let web: MeshedPod;
let shop: MeshedPod;

beforeAll(async () => {
  mesh = await Mesh.start();
  [web, shop] = await Promise.all([mesh.addMeshed("web"), mesh.addMeshed("shop")]);
  await mesh.startApp(shop);
  const { control } = mesh;
  for (const [vip, path, port] of [
    [VIP, "echo.shop.svc.cluster.local:9000", 9000],
    [FIRST_VIP, "first.shop.svc.cluster.local:9001", 9001],
  ] as const) {
    control.profiles.set(vip, EMPTY_PROFILE);
    control.endpoints.set(path, addUpdate(endpoint(shop.ip, port, { id: shop.id, hint: "h2", viaInboundPort: true })));
  }
  control.outbound.set(VIP, servicePolicy("echo.shop.svc.cluster.local:9000", "opaque"));
  control.outbound.set(FIRST_VIP, servicePolicy("first.shop.svc.cluster.local:9001", "detect"));
}, 60_000);

afterAll(() => mesh?.close());

test("opaque bytes travel between two proxies over mTLS, half-close included", async () => {
  const bytes = 2_000_000;
  const echoed = await client<{ read: number; tail: string }>(web, "echo", VIP, bytes);
  expect(echoed).toEqual({ read: bytes + 3, tail: "bye" });
  const inbound = await shop.metrics();
  expect(sumOf(inbound, "tcp_open_total", 'direction="inbound"', 'peer="src"', `client_id="${web.id}"`)).toBe(1);
  expect(sumOf(inbound, "inbound_tcp_authz_allow_total", `client_id="${web.id}"`)).toBe(1);
  const outbound = await web.metrics();
  expect(sumOf(outbound, "tcp_open_total", 'peer="dst"', `server_id="${shop.id}"`, 'dst_service="web"')).toBe(1);
  expect(sumOf(outbound, "tcp_write_bytes_total", 'peer="dst"', `server_id="${shop.id}"`)).toBeGreaterThan(bytes);
}, 30_000);

test("a server that speaks first is heard at once under detection", async () => {
  const seen = await client<{ heard: string[]; greetedAfterMs: number }>(web, "first", FIRST_VIP);
  expect(seen.heard).toEqual(["220 ready\n", "got HELO me\n"]);
}, 30_000);
