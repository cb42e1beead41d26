/** One part of the shop left out of the mesh: it is served as before, and everything that reports says so. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { DemoReport } from "../../tools/demo/report.ts";
import { annotated, MeshPlayground, START_MS, totalOf } from "../support/mesh-playground.ts";

let mesh: MeshPlayground;
let report: DemoReport;
let problems: string[];

beforeAll(async () => {
  mesh = await MeshPlayground.start({
    alter: (manifest) => annotated(manifest, "voting", { "linkerd.io/inject": "disabled" }),
  });
  ({ report, problems } = await mesh.assess());
}, START_MS);
afterAll(() => mesh?.stop());

test("the pod runs without a proxy", async () => {
  const { spec } = await mesh.podOf("voting");
  expect(spec!.containers.map(({ name }) => name)).toEqual(["voting"]);
  expect(spec!.initContainers ?? []).toEqual([]);
});

test("what is found wrong names that part and no other", async () => {
  const { metadata } = await mesh.podOf("voting");
  expect(problems.sort()).toEqual([
    "voting has 0/1 pods meshed",
    "voting shows no failures, but voting for doughnut fails on purpose",
    `voting/${metadata.name} does not carry a proxy`,
    "voting/web -> voting/voting is not secured",
  ]);
});

test("its row shows no proxy, and the other rows are as ever", () => {
  const meshed = Object.fromEntries(report.stat.map(({ name, meshed }) => [name, meshed]));
  expect(meshed).toEqual({
    prices: "1/1",
    products: "1/1",
    "products-slow": "1/1",
    traffic: "1/1",
    voting: "0/1",
    web: "1/1",
  });
  expect(report.stat.find(({ name }) => name === "web")!.success).toBeLessThan(1);
});

test("only the connection to it is not secured", () => {
  const open = report.edges.filter(({ secured }) => !secured);
  expect(open).toEqual([
    {
      source: "voting/web",
      destination: "voting/voting",
      clientId: "web.voting.serviceaccount.identity.linkerd.cluster.local",
      serverId: "",
      secured: false,
    },
  ]);
});

test("it is served all the same", () => {
  const sent = totalOf(report.sent);
  expect(sent.lost).toBe(0);
  expect(totalOf(report.sent, "/vote?product=apple")).toMatchObject({ failed: 0, lost: 0 });
  expect(totalOf(report.sent, "/vote?product=apple").ok).toBeGreaterThan(0);
  expect(sent.failed).toBe(totalOf(report.sent, "/vote?product=doughnut").sent);
});
