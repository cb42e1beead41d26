/** The untouched shop in the untouched mesh: what the demo reports, and what its users type. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { PORTS } from "#contracts/ports";
import { PROXY_RUNTIME } from "../../bin/runtime-options.ts";
import type { DemoReport } from "../../tools/demo/report.ts";
import { MeshPlayground, START_MS, totalOf } from "../support/mesh-playground.ts";

const DOMAIN = "serviceaccount.identity.linkerd.cluster.local";
let mesh: MeshPlayground;
let report: DemoReport;
let problems: string[];

beforeAll(async () => {
  mesh = await MeshPlayground.start();
  ({ report, problems } = await mesh.assess());
}, START_MS);
afterAll(() => mesh?.stop());

test("nothing is found wrong with the untouched shop", () => {
  expect(problems).toEqual([]);
});

test("the report has every field that scripts read, of the right type", () => {
  expect(Object.keys(report).sort()).toEqual(["check", "edges", "proxies", "readyMs", "sent", "stat"]);
  expect(report.readyMs).toBeNumber();
  const { passed, warned, failed, ids } = report.check;
  expect([warned, failed]).toEqual([0, 0]);
  expect(passed).toBeGreaterThan(40);
  expect(ids).toHaveLength(passed);
  expect(ids.every((id) => id !== "")).toBe(true);
  for (const edge of report.edges) {
    expect(Object.keys(edge).sort()).toEqual(["clientId", "destination", "secured", "serverId", "source"]);
  }
  for (const { name, namespace, meshed, success, rps, ...latency } of report.stat) {
    expect([name, namespace, meshed]).toEqual([expect.any(String), "voting", "1/1"]);
    expect(success >= 0 && success <= 1 && rps >= 0).toBe(true);
    expect(Object.keys(latency)).toEqual(["p50Ms", "p95Ms", "p99Ms"]);
    const values = Object.values(latency);
    expect(rps > 0 ? values.every((value) => value! > 0) : values.every((value) => value === null)).toBe(true);
  }
  for (const count of Object.values(report.sent)) {
    expect(Object.keys(count)).toEqual(["sent", "ok", "failed", "lost"]);
    expect(count.sent).toBe(count.ok + count.failed + count.lost);
  }
});

test("every proxy of mesh and shop reports its memory", async () => {
  const pods = await Promise.all(["linkerd", "linkerd-viz", "voting"].map((namespace) => mesh.cluster.pods(namespace)));
  const names = pods.flat().map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  expect(report.proxies.map(({ pod }) => pod).sort()).toEqual(names.sort());
  expect(report.proxies).toHaveLength(10);
  for (const { rssAnonKb, pssKb } of report.proxies) expect(rssAnonKb > 0 && pssKb > 0).toBe(true);
});

test("a proxy's runtime has its options, and neither the pod nor whoever asks the proxy sees them", async () => {
  const web = await mesh.podOf("web");
  const environment = readFileSync(`/proc/${mesh.proxyPid(web)}/environ`, "latin1").split("\0");
  for (const [name, value] of Object.entries(PROXY_RUNTIME)) expect(environment).toContain(`${name}=${value}`);
  const shown = JSON.parse(await mesh.cluster.httpInPod(web, PORTS.proxyAdmin, "/env.json"));
  expect(Object.keys(shown)).toContain("LINKERD2_PROXY_INBOUND_LISTEN_ADDR");
  expect(JSON.stringify([shown, web.spec])).not.toContain("BUN_JSC");
});

test("every connection between the shop's parts is secured under the names of both ends", () => {
  const edges = report.edges.filter(({ source }) => source.startsWith("voting/"));
  const said = edges.map(({ source, destination, clientId, serverId, secured }) =>
    [source, destination, clientId, serverId, secured].join(" "),
  );
  const wanted = (source: string, destination: string, server = destination): string =>
    `voting/${source} voting/${destination} ${source}.voting.${DOMAIN} ${server}.voting.${DOMAIN} true`;
  expect(said.sort()).toEqual([
    wanted("traffic", "web"),
    wanted("web", "prices"),
    wanted("web", "products"),
    wanted("web", "products-slow", "products"),
    wanted("web", "voting"),
  ]);
  expect(report.edges.filter(({ secured }) => !secured)).toEqual([]);
});

test("only the part that fails on purpose and the part that calls it are below 1", () => {
  const success = Object.fromEntries(report.stat.map(({ name, success }) => [name, success]));
  expect(success).toEqual({
    prices: 1,
    products: 1,
    "products-slow": 1,
    traffic: 1,
    voting: expect.any(Number),
    web: expect.any(Number),
  });
  expect(success.voting).toBeLessThan(1);
  expect(success.web).toBeLessThan(1);
  expect(success.voting).toBeLessThan(success.web!);
});

test("the proxies counted what the generator counted", async () => {
  const sent = totalOf(report.sent);
  expect(sent.sent).toBeGreaterThanOrEqual(120);
  expect(sent.lost).toBe(0);
  expect(totalOf(report.sent, "/vote?product=doughnut")).toMatchObject({ ok: 0, failed: sent.failed });
  const web = await mesh.podOf("web");
  expect(await mesh.count(web, "response_total", 'direction="inbound"', 'target_port="8080"')).toBe(sent.sent);
  const failed = ['direction="inbound"', 'target_port="8080"', 'classification="failure"'];
  expect(await mesh.count(web, "response_total", ...failed)).toBe(sent.failed);
  expect(await mesh.count(await mesh.podOf("voting"), "response_total", ...failed)).toBe(sent.failed);
});

test("the slow replica is asked less often than the fast one", async () => {
  const asked: Record<string, number> = {};
  for (const pod of await mesh.podsOf("products")) {
    asked[pod.metadata.labels!["speed"]!] = await mesh.count(pod, "request_total", 'direction="inbound"', '"8080"');
  }
  expect(asked["slow"]! + asked["fast"]!).toBe(totalOf(report.sent, "/products").sent);
  expect(asked["slow"]).toBeLessThan(asked["fast"]!);
});

test("check passes as a user types it, as a table and as JSON", async () => {
  const table = await mesh.linkerd.try("check");
  expect(table).toMatchObject({ code: 0, errors: "" });
  expect(table.text).toEndWith("Status check results are √\n");
  const proxy = await mesh.linkerd.try("check", "--proxy", "-n", "voting", "-o", "json");
  expect(proxy.code).toBe(0);
  const { success, categories } = JSON.parse(proxy.text) as {
    success: boolean;
    categories: { categoryName: string; checks: { result: string }[] }[];
  };
  expect(success).toBe(true);
  expect(categories.map(({ categoryName }) => categoryName)).toContain("linkerd-data-plane");
  expect(categories.flatMap(({ checks }) => checks).every(({ result }) => result === "success")).toBe(true);
});

test("viz check passes", async () => {
  const { code, text } = await mesh.linkerd.try("viz", "check");
  expect({ code, end: text.trimEnd().split("\n").at(-1) }).toEqual({ code: 0, end: "Status check results are √" });
});

test("check fails with exit code 1 where nothing is meshed", async () => {
  await mesh.run("create", "namespace", "empty");
  const { code, text } = await mesh.linkerd.try("check", "--proxy", "-n", "empty", "--wait", "0s");
  expect(code).toBe(1);
  expect(text).toContain("× ");
  expect(text).toEndWith("Status check results are ×\n");
});

test("stat shows deployments, pods, and one part's calls to another", async () => {
  const deployments = await mesh.linkerd.run("viz", "stat", "deploy", "-n", "voting");
  expect(column(deployments, 0)).toEqual(["prices", "products", "products-slow", "traffic", "voting", "web"]);
  expect(column(deployments, 1)).toEqual(Array(6).fill("1/1"));
  const pods = await mesh.linkerd.run("viz", "stat", "po", "-n", "voting");
  expect(column(pods, 1)).toEqual(Array(6).fill("Running"));
  const calls = ["viz", "stat", "deploy/web", "--to", "deploy/voting", "-n", "voting", "-t", "10m"];
  const [row] = await mesh.linkerd.json<{ name: string; success: number }[]>(...calls);
  expect(row).toMatchObject({ name: "web" });
  expect(row!.success).toBeLessThan(1);
});

test("edges shows who calls whom with short names", async () => {
  const table = await mesh.linkerd.run("viz", "edges", "deploy", "-n", "voting", "-o", "wide");
  const row = table.split("\n").find((line) => /^web +voting +/.test(line));
  expect(row?.split(/ +/).slice(0, 7)).toEqual([
    "web",
    "voting",
    "voting",
    "voting",
    "web.voting",
    "voting.voting",
    "√",
  ]);
});

test("identity prints the certificate that a pod's proxy shows", async () => {
  const text = await mesh.linkerd.run("identity", "-n", "voting", "-l", "app=web");
  expect(text).toContain(`Subject: CN=web.voting.${DOMAIN}`);
  expect(text).toContain("Issuer: CN=identity.linkerd.cluster.local");
});

test("diagnostics show endpoints, policy, profile and metrics", async () => {
  const name = "web.voting.svc.cluster.local:8080";
  const { status, metadata } = await mesh.podOf("web");
  const endpoints = await mesh.linkerd.run("diagnostics", "endpoints", name);
  expect(endpoints.split("\n")[1]!.split(/ +/).slice(0, 5)).toEqual([
    "voting",
    status!.podIP!,
    "8080",
    metadata.name!,
    "web.voting",
  ]);
  const policy = await mesh.linkerd.run("diagnostics", "policy", "-n", "voting", `po/${metadata.name}`, "8080");
  expect(policy).toContain("all-unauthenticated");
  expect(await mesh.linkerd.run("diagnostics", "profile", name)).toContain('"web.voting.svc.cluster.local"');
  const metrics = await mesh.linkerd.run("diagnostics", "proxy-metrics", "-n", "voting", "deploy/web");
  expect(metrics).toContain("response_total{");
  expect(await mesh.linkerd.run("diagnostics", "controller-metrics")).toContain("endpoints_subscribers");
  expect(await mesh.linkerd.try("diagnostics", "endpoints", "nosuch.voting.svc.cluster.local:1")).toMatchObject({
    code: 1,
    errors: expect.stringContaining("nosuch.voting.svc.cluster.local"),
  });
});

test("authz lists nothing where nothing was granted, version says that all are of one version", async () => {
  const authz = await mesh.linkerd.run("authz", "-n", "voting", "deploy/voting");
  expect(authz.trim().split("\n")).toHaveLength(1);
  const versions = (await mesh.linkerd.run("version", "--proxy", "-n", "voting")).match(/edge-\S+|stable-\S+/g);
  expect(versions).toHaveLength(3);
  expect(new Set(versions).size).toBe(1);
});

test("a wrong command line exits 1 and says why", async () => {
  for (const words of [["viz", "stat", "nosuch"], ["check", "--nosuch"], ["nosuch"]]) {
    const { code, errors, text } = await mesh.linkerd.try(...words);
    expect({ code, text, says: errors.includes("nosuch") }).toEqual({ code: 1, text: "", says: true });
  }
});

test("kubectl get, logs, exec and port-forward work on a meshed pod", async () => {
  const pod = await mesh.podOf("web");
  const name = pod.metadata.name!;
  expect((await mesh.run("get", "pod", name, "--no-headers")).split(/ +/).slice(1, 4)).toEqual(["2/2", "Running", "0"]);
  expect(await mesh.run("logs", name, "-c", "web")).toContain("web on 8080");
  const named = await mesh.run("logs", name, "-c", "linkerd-proxy");
  expect(named).not.toContain("PRIVATE KEY");
  expect((await mesh.exec(pod, "web", "hostname")).out.trim()).toBe(name);
  expect(JSON.parse(await mesh.cluster.httpInPod(pod, 8080, "/"))).toMatchObject({ shop: "voting" });
  const ready = await mesh.cluster.httpInPod(pod, 4191, "/ready");
  expect(ready.trim()).toBe("ready");
});

/** A column of a table, its header left out. */
function column(table: string, index: number): string[] {
  const [, ...rows] = table.trimEnd().split("\n");
  return rows.map((row) => row.split(/ +/)[index]!);
}
