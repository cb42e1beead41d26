import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Server } from "#proto/inbound";
import { createRootCa } from "#x509";
import { addUpdate, EMPTY_PROFILE, endpoint, servicePolicy } from "../support/fixture-control-plane.ts";
import { CLIENT, client, Mesh, type MeshedPod, sumOf } from "../support/mesh.ts";
import { until } from "../support/netns.ts";

const VIP = "10.96.0.30:9000";
const PATH = "echo.shop.svc.cluster.local:9000";
let mesh: Mesh;
let web: MeshedPod;
let shop: MeshedPod;

beforeAll(async () => {
  mesh = await Mesh.start();
  [web, shop] = await Promise.all([mesh.addMeshed("web"), mesh.addMeshed("shop")]);
  await mesh.startApp(shop);
  const { control } = mesh;
  control.profiles.set(VIP, EMPTY_PROFILE);
  control.endpoints.set(PATH, addUpdate(endpoint(shop.ip, 9000, { id: shop.id, hint: "h2", viaInboundPort: true })));
  control.outbound.set(VIP, servicePolicy(PATH, "opaque"));
}, 60_000);

afterAll(() => mesh?.close());

const echo = (pod: MeshedPod) => client<{ read: number; tail?: string; error?: string }>(pod, "echo", VIP, 10);
const SERVED = { read: 13, tail: "bye" };

/** Everybody may connect; `identities` narrows it to those. */
function serverPolicy(identities?: string[]): Server {
  const network = (bytes: number) => ({ ip: { ip: { $case: "ipv4" as const, value: bytes } }, prefixLen: 0 });
  return {
    protocol: { kind: { $case: "opaque", value: {} } },
    serverIps: [],
    labels: { group: "policy.linkerd.io", kind: "server", name: "echo" },
    authorizations: [
      {
        networks: [{ net: network(0), except: [] }],
        authentication: identities
          ? {
              permit: {
                $case: "meshTLS",
                value: {
                  clients: {
                    $case: "identities",
                    value: { identities: identities.map((name) => ({ name })), suffixes: [] },
                  },
                },
              },
            }
          : { permit: { $case: "unauthenticated", value: {} } },
        labels: {},
        metadata: { kind: { $case: "default", value: "who-may" } },
      },
    ],
  };
}

test("a server that is not who it should be gets nothing", async () => {
  const { control } = mesh;
  const wrong = "10.96.0.31:9000";
  control.profiles.set(wrong, EMPTY_PROFILE);
  control.endpoints.set(
    "wrong.shop.svc.cluster.local:9000",
    addUpdate(endpoint(shop.ip, 9000, { id: web.id, hint: "h2", viaInboundPort: true })),
  );
  control.outbound.set(wrong, servicePolicy("wrong.shop.svc.cluster.local:9000", "opaque"));
  const seen = await client<{ error?: string }>(web, "reset", wrong);
  expect(seen).toEqual({ error: "ECONNRESET" });
  expect(sumOf(await shop.metrics(), "inbound_tcp_authz_allow_total")).toBe(0);
}, 30_000);

test("a client whose certificate comes from other roots gets nothing", async () => {
  const other = await createRootCa({ name: "other", lifetimeMs: 3_600_000, nowMs: Date.now() });
  const { issueServingCertificate } = await import("#x509");
  const leaf = await issueServingCertificate(other, { dnsNames: [web.id], lifetimeMs: 3_600_000, nowMs: Date.now() });
  const heard = await new Promise<string>((resolve) => {
    let text = "";
    void Bun.connect({
      hostname: shop.ip,
      port: 9000,
      tls: {
        key: leaf.keyPem,
        cert: leaf.certPem,
        ca: mesh.control.root.certPem,
        serverName: shop.id,
        rejectUnauthorized: false,
      },
      socket: {
        handshake: (socket) => void socket.write("hello"),
        data: (_socket, chunk) => void (text += chunk.toString()),
        close: () => resolve(text),
        error: () => resolve(text),
      },
    }).catch(() => resolve(text));
  });
  expect(heard).toBe("");
  expect(sumOf(await shop.metrics(), "tcp_open_total", 'peer="dst"', ":9000")).toBe(0);
}, 30_000);

test("policy that changes takes effect on new connections and is counted", async () => {
  expect(await echo(web)).toEqual(SERVED);
  mesh.control.inbound.set("shop:9000", serverPolicy(["somebody.else"]));
  await until("the denial is in force", async () => (await echo(web)).error === "ECONNRESET");
  expect(
    sumOf(await shop.metrics(), "inbound_tcp_authz_deny_total", 'srv_name="echo"', `client_id="${web.id}"`),
  ).toBeGreaterThan(0);
  mesh.control.inbound.set("shop:9000", serverPolicy([web.id]));
  await until("the grant is in force", async () => (await echo(web)).tail === "bye");
  expect(
    sumOf(await shop.metrics(), "inbound_tcp_authz_allow_total", 'srv_name="echo"', 'authz_name="who-may"'),
  ).toBeGreaterThan(0);
}, 30_000);

test("without a control plane traffic flows on, and with a new one changes arrive", async () => {
  expect(await echo(web)).toEqual(SERVED);
  mesh.control.stop();
  for (let i = 0; i < 3; i++) expect(await echo(web)).toEqual(SERVED);
  await mesh.control.start();
  mesh.control.inbound.set("shop:9000", serverPolicy(["somebody.else"]));
  await until("the change after the outage is in force", async () => (await echo(web)).error === "ECONNRESET", 20_000);
}, 60_000);

test("asked to end, a proxy lets live connections finish and takes no new ones", async () => {
  mesh.control.inbound.set("shop:9000", serverPolicy());
  await until("all may connect again", async () => (await echo(web)).tail === "bye");
  const live = web.start([process.execPath, CLIENT, "hold", VIP]);
  await until("the connection stands", () => live.output().includes("open"));
  web.proxy.kill("SIGTERM");
  await until("no new connection is taken", async () => (await echo(web)).error === "ECONNREFUSED");
  live.kill("SIGUSR1");
  expect(await live.exited).toBe(0);
  expect(live.output()).toContain('"read":4');
  expect(await web.proxy.exited).toBe(0);
}, 30_000);
