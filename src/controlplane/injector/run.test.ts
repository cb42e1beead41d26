import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeClient } from "#kube";
import { writeTextAtomically } from "#lib/files";
import { silentLog } from "#lib/log";
import { type Kept, KubeApi } from "../../../test/support/kube-api.ts";
import { writeServingCertificate } from "../../../test/support/serving-certificate.ts";
import { startInjector } from "./run.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start() {
  const api = await KubeApi.start();
  cleanups.push(() => api.stop());
  api.put("namespaces", { metadata: { name: "shop", annotations: { "linkerd.io/inject": "enabled" } } });
  const deployment = { apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "d-uid" };
  api.put("replicasets", { metadata: { name: "web-7d", namespace: "shop", ownerReferences: [deployment] } });
  const tlsDirectory = mkdtempSync(join(tmpdir(), "injector-"));
  cleanups.push(() => rmSync(tlsDirectory, { recursive: true }));
  const config = { values: join(tlsDirectory, "values"), trustRoots: join(tlsDirectory, "roots.pem") };
  writeTextAtomically(config.values, "linkerdVersion: v-test\n");
  writeTextAtomically(config.trustRoots, "ROOT\n");
  const paths = { certPath: join(tlsDirectory, "tls.crt"), keyPath: join(tlsDirectory, "tls.key") };
  const ca = await writeServingCertificate(paths, "injector");
  const listen = { host: "127.0.0.1", port: 0 };
  const app = await startInjector({
    client: new KubeClient(api.cluster),
    controlPlaneNs: "linkerd",
    listen,
    admin: listen,
    tlsDirectory,
    config,
    log: silentLog,
  });
  cleanups.push(() => app.stop());
  return { api, app, ca };
}

async function until<T>(read: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadlineMs = performance.now() + 5_000;
  for (;;) {
    const value = await read();
    if (value !== undefined) return value;
    if (performance.now() > deadlineMs) throw new Error("The condition did not come true within 5 s");
    await Bun.sleep(5);
  }
}

function podReview(namespace = "shop"): string {
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-7d", uid: "rs-uid" };
  const object = {
    metadata: { generateName: "web-7d-", ownerReferences: [owner] },
    spec: { containers: [{ name: "app", image: "app:1" }] },
  };
  const request = { uid: "u", kind: { group: "", version: "v1", kind: "Pod" }, namespace, operation: "CREATE", object };
  return JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
}

test("the injector asks the cluster for namespace and owner, patches the pod and tells its Deployment", async () => {
  const { api, app, ca } = await start();
  const post = (body: string) => fetch(`https://localhost:${app.port}/`, { method: "POST", body, tls: { ca } });
  const answer = (await (await post(podReview())).json()) as { response: { allowed: boolean; patch: string } };
  expect(answer.response.allowed).toBe(true);
  const patch = JSON.parse(Buffer.from(answer.response.patch, "base64").toString()) as {
    path: string;
    value: unknown;
  }[];
  expect(patch.find(({ path }) => path.endsWith("linkerd.io~1proxy-deployment"))?.value).toBe("web");

  const name = await until(() => api.calls.find((call) => call === "POST /api/v1/namespaces/shop/events"));
  expect(name).toBeDefined();

  api.put("namespaces", { metadata: { name: "late", annotations: { "linkerd.io/inject": "enabled" } } });
  expect((await post(podReview("late"))).status).toBe(200);
  expect((await post(podReview("nowhere"))).status).toBe(500);
});

test("ready follows the list of namespaces; counters are on the admin port", async () => {
  const { app, ca } = await start();
  const admin = (path: string) => fetch(`http://127.0.0.1:${app.adminPort}${path}`);
  await until(async () => ((await admin("/ready")).status === 200 ? true : undefined));
  expect(await (await admin("/ping")).text()).toBe("pong\n");
  await fetch(`https://localhost:${app.port}/`, { method: "POST", body: podReview(), tls: { ca } });
  expect(await (await admin("/metrics")).text()).toContain('owner_kind="deployment"');
});

test("ten pods of one Deployment are one event", async () => {
  const { api, app, ca } = await start();
  const events: Kept[] = [];
  api.onPost("events", (body) => {
    events.push(body);
    return body;
  });
  for (let i = 0; i < 10; i++) {
    await fetch(`https://localhost:${app.port}/`, { method: "POST", body: podReview(), tls: { ca } });
  }
  await until(() => events[0]);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    reason: "Injected",
    type: "Normal",
    involvedObject: { kind: "Deployment", name: "web", namespace: "shop", uid: "d-uid" },
    source: { component: "linkerd-proxy-injector" },
  });
});
