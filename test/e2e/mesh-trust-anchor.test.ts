/** A proxy that trusts another root: it gets no certificate and no traffic, and nobody else notices. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pod } from "#kube";
import { createRootCa } from "#x509";
import { type DemoReport, isReady } from "../../tools/demo/report.ts";
import { alterDeployment, MeshPlayground, START_MS, totalOf } from "../support/mesh-playground.ts";
import { until } from "../support/playground.ts";

const folder = mkdtempSync(join(tmpdir(), "linkerd-ts-anchor-"));
let mesh: MeshPlayground;
let report: DemoReport;
let problems: string[];

beforeAll(async () => {
  mesh = await MeshPlayground.start({ alter: withOtherRoot, waits: false });
  await until("all the other pods", async () => (await ready()).length === 5, 60_000);
  ({ report, problems } = await mesh.assess());
}, START_MS);
afterAll(async () => {
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The slow replica, injected by hand as a user would, with another root than the cluster's. */
async function withOtherRoot(manifest: string, { linkerd }: MeshPlayground): Promise<string> {
  const parts = manifest.split("---\n");
  const slow = parts.find((part) => part.includes("name: products-slow,"))!;
  const input = join(folder, "slow.yaml");
  writeFileSync(input, slow);
  const injected = await linkerd.run("inject", "--manual", "--skip-inbound-ports", "8081", input);
  const { certPem } = await createRootCa({ name: "another root", lifetimeMs: 3_600_000, nowMs: Date.now() });
  const changed = alterDeployment(injected, "products-slow", ({ spec }) => {
    const { initContainers = [], containers } = spec!.template.spec!;
    const proxy = [...initContainers, ...containers].find(({ name }) => name === "linkerd-proxy")!;
    const anchors = proxy.env!.find(({ name }) => name === "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS")!;
    delete anchors.valueFrom;
    anchors.value = certPem;
  });
  return [...parts.filter((part) => part !== slow), changed].join("\n---\n");
}

async function slowPod(): Promise<Pod> {
  return (await mesh.podsOf("products")).find(({ metadata }) => metadata.labels!["speed"] === "slow")!;
}

/** Names of the parts whose pods are ready. */
async function ready(): Promise<string[]> {
  const pods = (await mesh.cluster.pods("voting")).filter(isReady);
  return pods.map(({ metadata }) => metadata.name!.replace(/(-[a-z0-9]+){2}$/, "")).sort();
}

test("its pod does not get ready, all others do", async () => {
  expect(await ready()).toEqual(["prices", "products", "traffic", "voting", "web"]);
  await expect(mesh.cluster.httpInPod(await slowPod(), 4191, "/ready")).rejects.toThrow("503");
});

test("it gets no certificate and says why", async () => {
  const { metadata } = await slowPod();
  const log = await mesh.run("logs", metadata.name!, "-c", "linkerd-proxy");
  expect(log).toContain("Cannot obtain a certificate");
  expect(log).toContain("SELF_SIGNED_CERT_IN_CHAIN");
});

test("nothing gets through to it", async () => {
  expect(report.edges.filter(({ destination }) => destination === "voting/products-slow")).toEqual([]);
  const slow = await slowPod();
  expect(await mesh.count(slow, "request_total", 'direction="inbound"', 'target_port="8080"')).toBe(0);
  const web = await mesh.podOf("web");
  const asked = await mesh.exec(web, "web", "curl", "-s", "-m", "2", `http://${slow.status!.podIP}:8080/`);
  expect(asked.code).not.toBe(0);
});

test("what is found wrong names that pod and no other", async () => {
  const { metadata } = await slowPod();
  expect(problems).toEqual(["1 checks failed: run linkerd check", `voting/${metadata.name} is not ready`]);
});

test("check says that this pod is not ready and does not match the trust bundle", async () => {
  const { code, text } = await mesh.linkerd.try("check", "--proxy", "-n", "voting", "--wait", "0s");
  const { metadata } = await slowPod();
  expect(code).toBe(1);
  expect(text.match(/^× .*$/gm)).toEqual(["× data plane proxies are ready"]);
  expect(text.match(/^‼ .*$/gm)).toEqual(["‼ data plane proxies certificate match CA"]);
  expect(text).toContain(metadata.name!);
});

test("nobody else notices: every request is served, by the other replica", async () => {
  const sent = totalOf(report.sent);
  expect(sent).toMatchObject({ lost: 0, failed: totalOf(report.sent, "/vote?product=doughnut").sent });
  const fast = report.stat.find(({ name }) => name === "products")!;
  expect(fast).toMatchObject({ meshed: "1/1", success: 1 });
  expect(report.edges.filter(({ secured }) => !secured)).toEqual([]);
});
