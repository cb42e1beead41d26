import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import jsonPatch from "fast-json-patch";
import type { OwnerReference, Pod } from "#kube/types";
import { writeTextAtomically } from "#lib/files";
import { silentLog } from "#lib/log";
import { MetricsRegistry } from "#lib/metrics";
import { toYaml } from "#lib/yaml";
import { defaultValues, type Owner } from "#manifests/inject";
import { writeServingCertificate } from "../../../test/support/serving-certificate.ts";
import { WebhookServer } from "../serve/webhook-server.ts";
import type { Notice } from "./events.ts";
import { Injector } from "./injector.ts";
import { InjectorMetrics } from "./injector-metrics.ts";
import { readMeshConfig } from "./mesh-config.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Told extends Notice {
  readonly owner: string;
}

interface Answer {
  readonly response: { readonly allowed: boolean; readonly patch?: string; readonly warnings?: string[] };
}

const OWNER: OwnerReference = { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-7d", uid: "rs-uid" };

/** The whole webhook over TLS; only the cluster behind it is given as plain answers. */
async function start(
  namespaces: Record<string, Record<string, string>> = { shop: { "linkerd.io/inject": "enabled" } },
) {
  const directory = mkdtempSync(join(tmpdir(), "injector-"));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const config = { values: join(directory, "values"), trustRoots: join(directory, "ca-bundle.crt") };
  writeTextAtomically(config.values, toYaml({ linkerdVersion: "v-test", proxy: { logLevel: "info" } }));
  writeTextAtomically(config.trustRoots, "-----BEGIN CERTIFICATE-----\nROOT\n-----END CERTIFICATE-----\n");
  const told: Told[] = [];
  const registry = new MetricsRegistry();
  const injector = new Injector({
    controlPlaneNs: "linkerd",
    readConfig: () => readMeshConfig(config),
    namespaceAnnotations: async (name) => {
      const annotations = namespaces[name];
      if (!annotations) throw new Error(`no namespace "${name}"`);
      return annotations;
    },
    findOwners: async () => [{ apiVersion: "apps/v1", kind: "Deployment", name: "web", uid: "d-uid" }],
    recordEvent: ({ kind, name }: Owner, _namespace, notice) => told.push({ owner: `${kind}/${name}`, ...notice }),
    metrics: new InjectorMetrics(registry),
    log: silentLog,
  });
  const paths = { certPath: join(directory, "tls.crt"), keyPath: join(directory, "tls.key") };
  const ca = await writeServingCertificate(paths, "linkerd-proxy-injector.linkerd.svc");
  const review = injector.review.bind(injector);
  const server = await WebhookServer.start({ hostname: "127.0.0.1", port: 0, ...paths, review, log: silentLog });
  cleanups.push(() => server.close());
  const post = (request: Record<string, unknown>): Promise<Response> =>
    fetch(`https://localhost:${server.port}/`, {
      method: "POST",
      body: JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request }),
      tls: { ca },
    });
  return { post, told, registry, config };
}

const admit = (kind: string, object: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  uid: "u",
  kind: { group: "", version: "v1", kind },
  namespace: "shop",
  operation: "CREATE",
  object,
  ...more,
});

const pod = (annotations?: Record<string, string>) => ({
  metadata: { generateName: "web-7d-", ownerReferences: [OWNER], ...(annotations ? { annotations } : {}) },
  spec: { containers: [{ name: "app", image: "app:1", ports: [{ containerPort: 5432 }] }] },
});

async function patched(answer: Response, object: object): Promise<Pod> {
  const { response } = (await answer.json()) as Answer;
  const operations = JSON.parse(Buffer.from(response.patch ?? "W10=", "base64").toString());
  return jsonPatch.applyPatch(structuredClone(object), operations, true).newDocument as Pod;
}

test("a pod of an enabled namespace comes back with its proxy, owned by its Deployment", async () => {
  const { post, told } = await start();
  const object = pod();
  const result = await patched(await post(admit("Pod", object)), object);
  expect(result.spec?.initContainers?.map(({ name, image }) => `${name} ${image}`)).toEqual([
    "linkerd-init linkerd-ts/proxy-init:v-test",
    "linkerd-proxy linkerd-ts/proxy:v-test",
  ]);
  expect(result.metadata.labels?.["linkerd.io/proxy-deployment"]).toBe("web");
  expect(result.metadata.annotations?.["config.linkerd.io/opaque-ports"]).toBe("5432");
  expect(told).toEqual([
    { owner: "deployment/web", type: "Normal", reason: "Injected", message: "Linkerd sidecar proxy injected" },
  ]);
});

test("a changed configuration counts for the next pod", async () => {
  const { post, config } = await start();
  writeTextAtomically(config.values, toYaml(defaultValues({ linkerdVersion: "v-next" })));
  const result = await patched(await post(admit("Pod", pod())), pod());
  expect(result.metadata.annotations?.["linkerd.io/proxy-version"]).toBe("v-next");
});

test("an annotation that cannot be followed is a warning in the answer and on the owner, and the pod is injected", async () => {
  const { post, told } = await start();
  const answer = (await (
    await post(admit("Pod", pod({ "config.linkerd.io/proxy-cpu-limit": "lots" })))
  ).json()) as Answer;
  expect(answer.response.allowed).toBe(true);
  expect(answer.response.patch).toBeDefined();
  expect(answer.response.warnings).toEqual([
    'Ignored annotation config.linkerd.io/proxy-cpu-limit: "lots": must be a Kubernetes quantity like 100m or 64Mi',
  ]);
  expect(told.map(({ type, reason }) => `${type} ${reason}`)).toEqual(["Normal Injected", "Warning AnnotationIgnored"]);
});

test("a pod that declines is let through untouched but for its opaque ports, and its owner is told why", async () => {
  const { post, told } = await start();
  const object = pod({ "linkerd.io/inject": "disabled" });
  const result = await patched(await post(admit("Pod", object)), object);
  expect(result.spec).toEqual(object.spec as never);
  expect(result.metadata.annotations?.["config.linkerd.io/opaque-ports"]).toBe("5432");
  expect(told[0]?.message).toContain('pod has the annotation "linkerd.io/inject: disabled"');
});

test("a misspelt inject annotation warns the person who applies it", async () => {
  const { post } = await start();
  const answer = (await (await post(admit("Pod", pod({ "linkerd.io/inject": "true" })))).json()) as Answer;
  expect(answer.response.warnings?.[0]).toContain('must be "enabled", "ingress" or "disabled"');
});

test("a Service takes its namespace's opaque ports over", async () => {
  const { post, told } = await start({ shop: { "config.linkerd.io/opaque-ports": "4242" } });
  const object = { metadata: { name: "db" }, spec: { ports: [{ port: 4242 }] } };
  const result = await patched(await post(admit("Service", object)), object);
  expect(result.metadata.annotations).toEqual({ "config.linkerd.io/opaque-ports": "4242" });
  expect(told).toEqual([]);
});

test("a dry run tells nobody", async () => {
  const { post, told } = await start();
  await post(admit("Pod", pod(), { dryRun: true }));
  expect(told).toEqual([]);
});

test("what the injector does not know passes unchanged", async () => {
  const { post } = await start();
  const { response } = (await (await post(admit("ConfigMap", { metadata: { name: "c" } }))).json()) as Answer;
  expect(response).toEqual({ uid: "u", allowed: true } as never);
});

const BROKEN: readonly (readonly [
  says: string,
  break_: (config: { values: string; trustRoots: string }) => void,
  text: string,
])[] = [
  ["values that are no map", ({ values }) => writeTextAtomically(values, "- a list"), "must hold one YAML map"],
  ["values that are no YAML", ({ values }) => writeTextAtomically(values, "a: [b"), "Cannot parse YAML"],
  ["missing values", ({ values }) => rmSync(values), "Cannot read the mesh's values: no file"],
  ["missing trust roots", ({ trustRoots }) => rmSync(trustRoots), "Cannot read the mesh's trust roots: no file"],
  ["empty trust roots", ({ trustRoots }) => writeTextAtomically(trustRoots, ""), "(identityTrustAnchorsPEM) are empty"],
  [
    "a network that is none",
    ({ values }) => writeTextAtomically(values, toYaml({ clusterNetworks: "10.0.0.0" })),
    'clusterNetworks of the mesh\'s values: "10.0.0.0" must be a network',
  ],
];

test.each(BROKEN)(
  "%s: HTTP 500 that says what to mend, so that the failure policy decides",
  async (_says, break_, text) => {
    const { post, config } = await start();
    break_(config);
    const answer = await post(admit("Pod", pod()));
    expect(answer.status).toBe(500);
    expect(await answer.text()).toContain(text);
  },
);

test("a namespace that nobody knows is HTTP 500 too", async () => {
  const { post } = await start({});
  expect((await post(admit("Pod", pod()))).status).toBe(500);
});

test("requests and outcomes are counted, and no environment value is quoted", async () => {
  const { post, registry } = await start();
  const secret = '[{"name":"TOKEN","value":"s3cret"}]';
  await post(admit("Pod", pod({ "config.linkerd.io/proxy-additional-env": secret })));
  await post(admit("Pod", { metadata: { name: "bare" }, spec: { hostNetwork: true, containers: [] } }));
  const text = registry.render();
  expect(text).not.toContain("s3cret");
  const responses = text.split("\n").filter((line) => line.startsWith("proxy_inject_admission_responses_total{"));
  expect(responses).toHaveLength(2);
  expect(responses[0]).toContain('owner_kind="deployment"');
  expect(responses[0]).toContain('annotation_at="namespace"');
  expect(responses[0]).toContain('skip="false"');
  expect(responses[1]).toContain('skip_reason="host_network_enabled"');
});
