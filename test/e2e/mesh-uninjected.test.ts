/** One part of the shop left out of the mesh: it is served as before, and everything that reports says so. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { DemoReport } from "../../tools/demo/report.ts";
import { NAMESPACE } from "../../tools/demo/traffic.ts";
import { annotated, MeshPlayground, START_MS, totalOf } from "../support/mesh-playground.ts";
import { until } from "../support/playground.ts";

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

const UNREADABLE = {
  "config.linkerd.io/proxy-cpu-limit": "lots",
  "config.linkerd.io/opaque-ports": "80,eighty",
};
const REASONS = [
  'Ignored annotation config.linkerd.io/opaque-ports: "80,eighty": must be ports or ranges like 80,1000-2000; the other entries are kept, these are not: "eighty"',
  'Ignored annotation config.linkerd.io/proxy-cpu-limit: "lots": must be a Kubernetes quantity like 100m or 64Mi',
];
const sleeper = { containers: [{ name: "sleeper", image: "none", command: ["sleep", "1000"] }] };

test("annotations that cannot be read are told to whoever applies the pod, and it is meshed all the same", async () => {
  const metadata = { name: "misread", annotations: UNREADABLE };
  const pod = JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec: sleeper });
  const { code, err } = await mesh.kubectl(["-n", NAMESPACE, "apply", "-f", "-"], pod);
  expect(code).toBe(0);
  for (const reason of REASONS) expect(err).toContain(`Warning: ${reason}`);
  const containers = await mesh.run("get", "pod", "misread", "-o", "jsonpath={.spec.initContainers[*].name}");
  expect(containers).toContain("linkerd-proxy");
  await mesh.run("delete", "pod", "misread", "--grace-period=0");
});

test("annotations of a Deployment's pods that cannot be read are events of the Deployment", async () => {
  const labels = { app: "misread" };
  const spec = {
    selector: { matchLabels: labels },
    template: { metadata: { labels, annotations: UNREADABLE }, spec: sleeper },
  };
  await mesh.apply(
    JSON.stringify({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "misread", namespace: NAMESPACE },
      spec,
    }),
  );
  const told = [
    "-o",
    'jsonpath={range .items[?(@.reason=="AnnotationIgnored")]}{.involvedObject.kind} {.message}{"\\n"}{end}',
  ];
  await until("both to be told", async () => {
    const events = (await mesh.run("get", "events", ...told)).trimEnd().split("\n");
    return REASONS.every((reason) => events.includes(`Deployment ${reason}`));
  });
  await mesh.run("delete", "deployment", "misread");
});

test("a manifest that is no pod is refused with the field that is wrong, and nothing is made", async () => {
  const spec = { containers: { name: "sleeper" } };
  const pod = JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: "shapeless" }, spec });
  const { code, err } = await mesh.kubectl(["-n", NAMESPACE, "create", "--validate=false", "-f", "-"], pod);
  expect(code).toBe(1);
  expect(err).toContain("spec.containers");
  expect((await mesh.kubectl(["-n", NAMESPACE, "get", "pod", "shapeless"])).err).toContain("not found");
});
