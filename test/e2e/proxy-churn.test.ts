import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { addUpdate, EMPTY_PROFILE, endpoint, servicePolicy } from "../support/fixture-control-plane.ts";
import { client, Mesh, type MeshedPod, sumOf } from "../support/mesh.ts";
import { type Pod, until } from "../support/netns.ts";

const CHURN = fileURLToPath(new URL("../support/churn-client.ts", import.meta.url));
const HTTP_VIP = "10.96.0.60:80";
const PLAIN_VIP = "10.96.0.61:80";
const ECHO_VIP = "10.96.0.62:9000";
const DEAD_VIP = "10.96.0.63:80";
const CONNECTIONS = 1_000; // by each of two clients
let mesh: Mesh;
let web: MeshedPod;
let shop: MeshedPod;
let stranger: Pod;

beforeAll(async () => {
  mesh = await Mesh.start();
  [web, shop] = await Promise.all([mesh.addMeshed("web"), mesh.addMeshed("shop")]);
  stranger = mesh.network.addPod({ isMeshed: false });
  await mesh.startApp(shop);
  for (const [vip, path, port, options, kind] of [
    [HTTP_VIP, "web.shop.svc.cluster.local:80", 8080, { id: shop.id, hint: "h2", viaInboundPort: true }, "detect"],
    [PLAIN_VIP, "plain.shop.svc.cluster.local:80", 8080, { id: shop.id }, "detect"],
    [ECHO_VIP, "echo.shop.svc.cluster.local:9000", 9000, { id: shop.id, viaInboundPort: true }, "opaque"],
    [DEAD_VIP, "dead.shop.svc.cluster.local:80", 8099, { id: shop.id, hint: "h2", viaInboundPort: true }, "detect"],
  ] as const) {
    mesh.control.profiles.set(vip, EMPTY_PROFILE);
    mesh.control.endpoints.set(path, addUpdate(endpoint(shop.ip, port, options)));
    mesh.control.outbound.set(vip, servicePolicy(path, kind));
  }
}, 60_000);

afterAll(() => mesh?.close());

const openFrom = (metrics: string, peer: "src" | "dst") => sumOf(metrics, "tcp_open_connections", `peer="${peer}"`);
const fds = (metrics: string) => sumOf(metrics, "process_open_fds");

test("2,000 connections that go wrong at every point leave nothing behind", async () => {
  const before = await Promise.all([web.metrics(), shop.metrics()]);
  const run = (pod: Pod, seed: number, ...places: string[]) =>
    pod.run(process.execPath, CHURN, String(seed), String(CONNECTIONS), ...places);
  const endings = await Promise.all([
    run(web, 1, `http@${HTTP_VIP}`, `http@${PLAIN_VIP}`, `opaque@${ECHO_VIP}`, `http@${DEAD_VIP}`),
    run(
      stranger,
      2,
      `http@${shop.ip}:8080`,
      `http@${shop.ip}:8081`,
      `opaque@${shop.ip}:9000`,
      `opaque@${shop.ip}:9001`,
      `opaque@${shop.ip}:4143`,
      `http@${shop.ip}:4191`,
      `tls@${shop.ip}:4143`,
      `tls@${shop.ip}:8080`,
    ),
  ]);
  const total = endings.flatMap((text) => Object.values(JSON.parse(text) as Record<string, number>));
  expect(total.reduce((sum, one) => sum + one, 0)).toBe(2 * CONNECTIONS);
  for (const [index, pod] of [web, shop].entries()) {
    let last = "";
    await until("connections and descriptors are back", async () => {
      last = await pod.metrics();
      return openFrom(last, "src") === openFrom(before[index], "src") && fds(last) <= fds(before[index]) + POOLED;
    }).catch((cause: Error) => {
      const held = last.split("\n").filter((line) => line.startsWith("tcp_open_connections") && !line.endsWith(" 0"));
      throw new Error(`${cause.message}: ${fds(before[index])} -> ${fds(last)} descriptors\n${held.join("\n")}`);
    });
    expect(sumOf(last, "proxy_unexpected_errors_total")).toBe(0);
    expect(openFrom(last, "dst")).toBeLessThanOrEqual(openFrom(before[index], "dst") + POOLED);
    expect(pod.proxy.output()).not.toContain("A mistake of this program");
  }
  const answers = await client<{ status: number }[]>(web, "http", HTTP_VIP, 5);
  expect(answers.map(({ status }) => status)).toEqual(new Array(5).fill(200));
}, 120_000);

/** Idle connections that a proxy may keep for the next requests. */
const POOLED = 60;
