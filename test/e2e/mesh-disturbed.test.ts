/** What befalls a running mesh: a proxy killed, the control plane away, parts restarted, all of it under traffic. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { PODS, type Pod } from "#kube";
import { hasProxy, isReady } from "../../tools/demo/report.ts";
import { MeshPlayground, START_MS } from "../support/mesh-playground.ts";
import { until } from "../support/playground.ts";

const DOUGHNUT = "/vote?product=doughnut";
const CONTROL_PLANE = ["linkerd-destination", "linkerd-identity", "linkerd-proxy-injector"];
let mesh: MeshPlayground;

beforeAll(async () => {
  mesh = await MeshPlayground.start();
}, START_MS);
afterAll(() => mesh?.stop(), 30_000);
beforeEach(async () => {
  await mesh.pause();
  await mesh.reset();
  await mesh.resume();
});

/** Lets `count` more requests through, holds the generator, and expects that nothing failed but voting for doughnut. */
async function expectUndisturbed(count: number): Promise<void> {
  await mesh.more(count);
  const all = await mesh.pause();
  const doughnut = await mesh.sent(DOUGHNUT);
  expect({ ...all, paths: await unexpected() }).toEqual({
    sent: all.sent,
    ok: all.sent - doughnut.sent,
    failed: doughnut.sent,
    lost: 0,
    paths: [],
  });
  await mesh.resume();
}

/** Paths that failed or got no answer, with their counts; the one that fails on purpose left out. */
async function unexpected(): Promise<[string, number, number][]> {
  return Object.entries(await mesh.control("GET", "/sent"))
    .filter(([path, { failed, lost }]) => (path === DOUGHNUT ? lost > 0 : failed + lost > 0))
    .map(([path, { failed, lost }]) => [path, failed, lost]);
}

function restarts(pod: Pod): Record<string, number> {
  const all = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return Object.fromEntries(all.map(({ name, restartCount }) => [name, restartCount]));
}

async function scale(namespace: string, replicas: number, ...names: string[]): Promise<void> {
  const ran = await mesh.kubectl([
    ...["-n", namespace, "scale", `--replicas=${replicas}`],
    ...names.map((name) => `deploy/${name}`),
  ]);
  expect(ran).toMatchObject({ code: 0 });
}

/** Pods that are not gone, those that are ending included. */
async function remaining(namespace: string): Promise<number> {
  return (await mesh.cluster.client.list(PODS, { namespace })).items.length;
}

/** Waits until each of the shop's proxies listens to the control plane: until then it knows nothing of pods that go. */
async function expectViewsUpToDate(): Promise<void> {
  const isCurrent = async (pod: Pod): Promise<boolean> =>
    !hasProxy(pod) || (await mesh.count(pod, "control_discovery_view_age_seconds")) === 0;
  await until("views of the cluster that are up to date", async () =>
    (await Promise.all((await mesh.cluster.pods("voting")).map(isCurrent))).every(Boolean),
  );
}

/** Requests that a pod's proxy handed to its application. */
function served(pod: Pod): Promise<number> {
  return mesh.count(pod, "request_total", 'direction="inbound"', 'target_port="8080"');
}

test("a proxy killed with -9 is started again, and only its part notices", async () => {
  const voting = await mesh.podOf("voting");
  process.kill(mesh.proxyPid(voting), "SIGKILL");
  const again = await until("the proxy's restart", async () => {
    const pod = await mesh.podOf("voting");
    return restarts(pod)["linkerd-proxy"] === 1 && isReady(pod) && pod;
  });
  expect(restarts(again)).toEqual({ "linkerd-init": 0, "linkerd-proxy": 1, voting: 0 });
  expect(again.metadata.name).toBe(voting.metadata.name!);
  await until("votes that are counted again", async () => (await served(again)) > 0);
  expect((await unexpected()).filter(([path]) => !path.startsWith("/vote"))).toEqual([]);
  for (const app of ["web", "products", "prices", "traffic"]) {
    for (const pod of await mesh.podsOf(app)) expect(Object.values(restarts(pod))).toEqual([0, 0, 0]);
  }
  await mesh.pause();
  await mesh.reset();
  await mesh.resume();
  await expectUndisturbed(60);
  expect((await mesh.linkerd.try("check", "--proxy", "-n", "voting")).code).toBe(0);
}, 60_000);

test("without a control plane traffic flows on, and pods added meanwhile serve when it is back", async () => {
  await scale("linkerd", 0, "linkerd-destination", "linkerd-identity");
  await until("the control plane's end", async () => (await remaining("linkerd")) === 1);
  await scale("voting", 2, "products");
  const added = await until("the added pod's proxy", async () =>
    (await mesh.podsOf("products")).find(
      (pod) => pod.metadata.labels!["speed"] === "fast" && !isReady(pod) && pod.status?.podIP,
    ),
  );
  await expectUndisturbed(120);
  expect(isReady((await mesh.podsOf("products")).find(({ metadata }) => metadata.name === added.metadata.name)!)).toBe(
    false,
  );
  await scale("linkerd", 1, "linkerd-destination", "linkerd-identity");
  await mesh.cluster.rollout("linkerd", () => {});
  await mesh.cluster.rollout("voting", () => {});
  await until("traffic to the added pod", async () => (await served(added)) > 0, 30_000);
  await expectUndisturbed(30);
}, 90_000);

test("without the injector a pod comes up outside the mesh, is called all the same, and is meshed by a restart", async () => {
  await scale("linkerd", 0, ...CONTROL_PLANE);
  await until("the control plane's end", async () => (await remaining("linkerd")) === 0);
  await scale("voting", 3, "products");
  const outside = await until("a pod without a proxy", async () =>
    (await mesh.podsOf("products")).find((pod) => isReady(pod) && !pod.spec!.initContainers?.length),
  );
  expect(outside.spec!.containers.map(({ name }) => name)).toEqual(["products"]);
  await expectUndisturbed(60);
  await scale("linkerd", 1, ...CONTROL_PLANE);
  await mesh.cluster.rollout("linkerd", () => {});
  const web = await mesh.podOf("web");
  const toOutside = ['direction="outbound"', `dst_pod="${outside.metadata.name}"`, 'tls="no_identity"'];
  await until(
    "calls to the pod outside",
    async () => (await mesh.count(web, "request_total", ...toOutside)) > 0,
    30_000,
  );
  await expectViewsUpToDate();
  await mesh.run("rollout", "restart", "deploy/products");
  await mesh.cluster.rollout("voting", () => {});
  await until("the old pods' end", async () => (await remaining("voting")) === 8);
  expect((await mesh.podsOf("products")).every(hasProxy)).toBe(true);
  await expectUndisturbed(30);
}, 90_000);

test("a rolling restart under traffic loses no request", async () => {
  await expectViewsUpToDate();
  await mesh.run("rollout", "restart", "deploy/web", "deploy/products");
  await mesh.run("rollout", "status", "deploy/web", "--timeout=60s");
  await mesh.run("rollout", "status", "deploy/products", "--timeout=60s");
  await until("the old pods' end", async () => (await remaining("voting")) === 8);
  await expectUndisturbed(60);
}, 90_000);
