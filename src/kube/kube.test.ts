import { afterEach, expect, test } from "bun:test";
import { FakeClock } from "#lib/clock";
import { seededRandom } from "#lib/random";
import { KubeApi } from "../../test/support/kube-api.ts";
import { ApiError, type Change, Informer, KubeClient, LeaseElector, PODS, type Pod, SERVERS } from "./index.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(): Promise<{ api: KubeApi; client: KubeClient }> {
  const api = await KubeApi.start();
  closers.push(() => api.stop());
  return { api, client: new KubeClient(api.cluster) };
}

const pod = (name: string, labels: Record<string, string> = {}) => ({
  metadata: { name, namespace: "shop", labels },
  spec: { containers: [] },
});

async function until(isTrue: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 5_000;
  while (!isTrue()) {
    if (Date.now() > deadlineMs) throw new Error("The condition did not become true within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function informer(client: KubeClient, options: { optional?: boolean } = {}) {
  const changes: string[] = [];
  const pods = new Informer<Pod>({
    client,
    type: PODS,
    indexes: { app: (object) => [object.metadata.labels?.["app"] ?? ""] },
    random: seededRandom(1),
    ...options,
  });
  pods.onChange((change: Change<Pod>) => changes.push(`${change.type} ${change.object.metadata.name}`));
  closers.push(() => pods.stop());
  return { pods: pods.start(), changes };
}

test("objects are created, read, replaced and deleted", async () => {
  const { client } = await start();
  expect(await client.get(PODS, "a", "shop")).toBeUndefined();
  const created = await client.create(PODS, pod("a"));
  expect(created).toMatchObject({ apiVersion: "v1", kind: "Pod", metadata: { name: "a", resourceVersion: "2" } });
  const updated = await client.update(PODS, { ...created, spec: { containers: [], nodeName: "n1" } });
  expect(updated.spec?.nodeName).toBe("n1");
  await expect(client.update(PODS, created)).rejects.toMatchObject({ status: 409, reason: "Conflict" });
  await expect(client.create(PODS, pod("a"))).rejects.toMatchObject({ status: 409, reason: "AlreadyExists" });
  expect(await client.delete(PODS, "a", "shop")).toBe(true);
  expect(await client.delete(PODS, "a", "shop")).toBe(false);
});

test("a list reads all pages and names the kind of its items", async () => {
  const { api, client } = await start();
  for (let i = 0; i < 7; i++) api.put("pods", pod(`p${i}`));
  const list = await client.list(PODS, { pageSize: 3 });
  expect(list.items.map((item) => item.metadata.name)).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
  expect(list.items[6]).toMatchObject({ apiVersion: "v1", kind: "Pod" });
  expect(api.calls).toEqual(Array(3).fill("GET /api/v1/pods"));
});

test("a list trims each page before it asks for the next", async () => {
  const { api, client } = await start();
  for (let i = 0; i < 10; i++) api.put("pods", pod(`p${i}`, { app: "web" }));
  const pagesAsked: number[] = [];
  const trim = ({ apiVersion, kind, metadata: { name, resourceVersion } }: Pod): Pod => {
    pagesAsked.push(api.calls.length);
    return { apiVersion, kind, metadata: { name, resourceVersion } };
  };
  const list = await client.list(PODS, { pageSize: 4, trim });
  expect(pagesAsked).toEqual([1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
  expect(list.metadata.continue).toBeUndefined();
  expect(list.items.map((item) => item.metadata.name)).toEqual(Array.from({ length: 10 }, (_, i) => `p${i}`));
  expect(list.items[9]).toEqual({ apiVersion: "v1", kind: "Pod", metadata: { name: "p9", resourceVersion: "11" } });
});

test("a list whose pages expire is read anew in one answer, and shows only what there is now", async () => {
  const { api, client } = await start();
  for (let i = 0; i < 7; i++) api.put("pods", pod(`p${i}`));
  const trim = (object: Pod): Pod => {
    if (object.metadata.name === "p5") {
      api.compact(() => {
        api.remove("pods", "p0", "shop");
        api.put("pods", pod("p9"));
      });
    }
    return object;
  };
  const list = await client.list(PODS, { pageSize: 3, trim });
  expect(list.items.map((item) => item.metadata.name)).toEqual(["p1", "p2", "p3", "p4", "p5", "p6", "p9"]);
  expect(api.calls).toEqual(Array(4).fill("GET /api/v1/pods")); // two pages, the one refused, all at once
});

test.each([
  ["json", "application/json-patch+json", ""],
  ["merge", "application/merge-patch+json", ""],
  ["strategic", "application/strategic-merge-patch+json", ""],
  ["apply", "application/apply-patch+yaml", "?fieldManager=me&force=true"],
] as const)("a %s patch says what it is", async (kind, type, query) => {
  const { api, client } = await start();
  api.put("pods", pod("a"));
  const options = kind === "apply" ? { fieldManager: "me", force: true } : {};
  const patched = await client.patch(PODS, "a", kind, { x: 1 }, { namespace: "shop", ...options });
  expect(patched).toMatchObject({ lastPatch: { type, query, body: { x: 1 } } });
});

test("a server of another CA is refused, and so is a wrong name", async () => {
  const { api } = await start();
  const other = await KubeApi.start();
  closers.push(() => other.stop());
  const wrongCa = new KubeClient({ ...api.cluster, ca: other.ca });
  await expect(wrongCa.list(PODS)).rejects.toMatchObject({ status: 0, reason: "Unreachable" });
  const wrongName = new KubeClient({ ...api.cluster, serverName: "elsewhere" });
  await expect(wrongName.list(PODS)).rejects.toBeInstanceOf(ApiError);
});

test("a refusal carries status, reason and message", async () => {
  const { api, client } = await start();
  api.authorization = "Bearer other";
  await expect(client.list(PODS)).rejects.toMatchObject({ status: 401, reason: "Unauthorized" });
});

test("a call that is not answered ends with a timeout", async () => {
  const { api, client } = await start();
  api.onPost("pods", () => new Response(new ReadableStream({ start() {} })));
  await expect(
    client.raw("/api/v1/namespaces/shop/pods", { method: "POST", body: pod("a"), timeoutMs: 100 }),
  ).rejects.toBeInstanceOf(ApiError);
});

test("an informer lists, then follows", async () => {
  const { api, client } = await start();
  api.put("pods", pod("a", { app: "web" }));
  const { pods, changes } = informer(client);
  await pods.synced;
  expect(pods.get("a", "shop")?.kind).toBe("Pod");
  await until(() => api.watcherCount === 1);
  api.put("pods", pod("b", { app: "web" }));
  api.put("pods", pod("a", { app: "db" }));
  api.remove("pods", "b", "shop");
  await until(() => changes.length === 4);
  expect(changes).toEqual(["added a", "added b", "modified a", "deleted b"]);
  expect(pods.byIndex("app", "web")).toEqual([]);
  expect(pods.byIndex("app", "db").map((object) => object.metadata.name)).toEqual(["a"]);
  expect(pods.list("other")).toEqual([]);
});

test("a stopped informer, and a reader that leaves, end their watches at the server", async () => {
  const { api, client } = await start();
  const { pods } = informer(client);
  await until(() => api.watcherCount === 1);
  pods.stop();
  await until(() => api.watcherCount === 0);
  const events = client.watch(PODS);
  const first = events.next();
  await until(() => api.watcherCount === 1);
  api.put("pods", pod("a"));
  expect((await first).value?.type).toBe("ADDED");
  await events.return(undefined);
  await until(() => api.watcherCount === 0);
});

test("an informer resumes where a watch ended, from the bookmark", async () => {
  const { api, client } = await start();
  const { pods, changes } = informer(client);
  await pods.synced;
  await until(() => api.watcherCount === 1);
  api.put("pods", pod("a"));
  await until(() => changes.length === 1);
  api.bookmark();
  api.endWatches();
  await until(() => api.watcherCount === 1);
  api.put("pods", pod("b"));
  await until(() => changes.length === 2);
  expect(changes).toEqual(["added a", "added b"]);
  expect(api.calls.filter((call) => call === "GET /api/v1/pods")).toHaveLength(3); // one list, two watches
});

test("an informer lists again after 410 and reports only differences", async () => {
  const { api, client } = await start();
  for (const name of ["a", "b", "c"]) api.put("pods", pod(name));
  const { changes } = informer(client);
  await until(() => changes.length === 3 && api.watcherCount === 1);
  api.compact(() => {
    api.remove("pods", "a", "shop");
    api.put("pods", pod("b", { app: "new" }));
    api.put("pods", pod("d"));
  });
  await until(() => changes.length === 6);
  expect(changes.slice(3)).toEqual(["deleted a", "modified b", "added d"]);
});

test("an informer follows a list of many pages, also one that expires half-way", async () => {
  const { api, client } = await start();
  for (let i = 0; i < 1_200; i++) api.put("pods", pod(`p${i}`, { app: "web", [`notes-${i}`]: "long" }));
  let trimCount = 0;
  const pods = new Informer<Pod>({
    client,
    type: PODS,
    indexes: { app: (object) => [object.metadata.labels?.["app"] ?? ""] },
    trim: ({ metadata: { name, namespace, resourceVersion, labels } }) => {
      if (++trimCount === 700) api.compact(() => api.remove("pods", "p3", "shop"));
      return { metadata: { name, namespace, resourceVersion, labels: { app: labels?.["app"] ?? "" } } };
    },
  });
  const changes: string[] = [];
  pods.onChange(({ type, object }) => changes.push(`${type} ${object.metadata.name}`));
  closers.push(() => pods.stop());
  await pods.start().synced;
  expect(changes).toHaveLength(1_199);
  expect(pods.byIndex("app", "web")).toHaveLength(1_199);
  expect(pods.get("p1199", "shop")?.metadata.labels).toEqual({ app: "web" });
  await until(() => api.watcherCount === 1);
  api.put("pods", pod("p3", { app: "web" }));
  await until(() => changes.length === 1_200);
  expect(changes[1_199]).toBe("added p3");
});

test("a kind that is not installed counts as empty when it may be missing", async () => {
  const { api, client } = await start();
  api.missing.add("servers");
  const servers = new Informer({ client, type: SERVERS, optional: true });
  closers.push(() => servers.stop());
  await servers.start().synced;
  expect(servers.size).toBe(0);
});

test("of two claimants one leads, and the other takes over when it leaves", async () => {
  const { api, client } = await start();
  const events: string[] = [];
  const claim = (identity: string, clock: FakeClock) =>
    new LeaseElector({
      client,
      namespace: "linkerd",
      name: "writer",
      identity,
      durationMs: 30_000,
      clock,
      onChange: (isLeader) => events.push(`${identity} ${isLeader}`),
    }).start();
  const [clockA, clockB] = [new FakeClock(0), new FakeClock(0)];
  const a = claim("a", clockA);
  clockA.advance(0);
  await until(() => a.isLeader);
  const b = claim("b", clockB);
  closers.push(() => b.stop());
  clockB.advance(0);
  await until(() => api.calls.filter((call) => call.endsWith("/leases/writer")).length >= 2);
  expect(b.isLeader).toBe(false);
  await a.stop();
  clockB.advance(10_000);
  await until(() => b.isLeader);
  expect(events).toEqual(["a true", "a false", "b true"]);
  expect(api.get("leases", "writer", "linkerd")).toMatchObject({ spec: { holderIdentity: "b", leaseTransitions: 1 } });
});

test("a leader that cannot renew stops leading before its lease runs out", async () => {
  const { api, client } = await start();
  const clock = new FakeClock(0);
  const elector = new LeaseElector({
    client,
    namespace: "linkerd",
    name: "w",
    identity: "a",
    durationMs: 30_000,
    clock,
  }).start();
  clock.advance(0);
  await until(() => elector.isLeader);
  api.authorization = "Bearer other";
  clock.advance(30_000);
  expect(elector.isLeader).toBe(false);
  await elector.stop();
});
