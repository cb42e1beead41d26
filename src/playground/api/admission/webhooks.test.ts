import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { createServer, type Server } from "node:https";
import type { KubeObject } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";
import { CertificateAuthority } from "../certificate.ts";
import type { ApiClient } from "../in-process.ts";
import { type ApiServer, startApiServer } from "../server.ts";

const CONFIGS = {
  Mutating: "mutatingwebhookconfigurations.admissionregistration.k8s.io",
  Validating: "validatingwebhookconfigurations.admissionregistration.k8s.io",
};

interface Review {
  request: { uid: string; object: KubeObject; operation: string; namespace: string; userInfo: { username: string } };
}

let api: ApiServer;
let client: ApiClient;
let hook: Server;
let answer: (review: Review) => object;
let calls: Review["request"][] = [];
const ca = new CertificateAuthority("hooks", Date.now(), 3_600_000);

beforeAll(async () => {
  api = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }] });
  client = api.client("test");
  const pair = ca.issue({
    commonName: "hook",
    dnsNames: ["hook.default.svc"],
    nowMs: Date.now(),
    lifetimeMs: 3_600_000,
  });
  hook = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review;
      calls.push(review.request);
      response.end(
        JSON.stringify({
          kind: "AdmissionReview",
          apiVersion: "admission.k8s.io/v1",
          response: { uid: review.request.uid, ...answer(review) },
        }),
      );
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const { port } = hook.address() as { port: number };
  await client.create("services", {
    metadata: { name: "hook", namespace: "default" },
    spec: { ports: [{ port: 443, name: "https" }] },
  });
  await client.create("endpointslices.discovery.k8s.io", {
    metadata: { name: "hook", namespace: "default", labels: { "kubernetes.io/service-name": "hook" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    ports: [{ name: "https", port, protocol: "TCP" }],
  });
});
afterAll(async () => {
  hook.close();
  await api.close();
});
beforeEach(async () => {
  calls = [];
  answer = () => ({ allowed: true });
  for (const resource of Object.values(CONFIGS))
    for (const config of client.list(resource)) await client.delete(resource, undefined, config.metadata.name);
});

function register(kind: keyof typeof CONFIGS, more: object = {}, name = "hook"): Promise<KubeObject> {
  const service = { namespace: "default", name: "hook", path: "/check" };
  const webhook = {
    name: `${name}.example.com`,
    clientConfig: { service, caBundle: Buffer.from(ca.certPem).toString("base64") },
    rules: [{ operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"] }],
    admissionReviewVersions: ["v1"],
    sideEffects: "None",
    ...more,
  };
  return client.create(CONFIGS[kind], { metadata: { name }, webhooks: [webhook] });
}

let made = 0;
const configMap = (labels?: Record<string, string>): KubeObject => ({
  metadata: { name: `cm-${++made}`, namespace: "default", ...(labels ? { labels } : {}) },
  data: { a: "1" },
});
const patchOf = (operations: object[]) => ({
  allowed: true,
  patchType: "JSONPatch",
  patch: Buffer.from(JSON.stringify(operations)).toString("base64"),
});

async function refusal(run: Promise<unknown>): Promise<string> {
  try {
    await run;
  } catch (thrown) {
    if (thrown instanceof StatusError) return `${thrown.code} ${thrown.message}`;
    throw thrown;
  }
  throw new Error("Expected a refusal, the request went through");
}

test("a mutating webhook's patch is applied before the object is kept", async () => {
  answer = () => patchOf([{ op: "add", path: "/data/b", value: "2" }]);
  await register("Mutating");
  const created = await client.create("configmaps", configMap());
  expect(created["data"]).toEqual({ a: "1", b: "2" });
  expect([calls.length, calls[0]!.operation, calls[0]!.namespace, calls[0]!.userInfo.username]).toEqual([
    1,
    "CREATE",
    "default",
    "system:test",
  ]);
});

test("defaults are filled in again after a patch", async () => {
  answer = () => patchOf([{ op: "add", path: "/spec/containers/-", value: { name: "side", image: "side:1" } }]);
  await client.create("serviceaccounts", { metadata: { name: "default", namespace: "default" } });
  await register("Mutating", {
    rules: [{ operations: ["CREATE"], apiGroups: [""], apiVersions: ["v1"], resources: ["pods"] }],
  });
  const pod = await client.create("pods", {
    metadata: { name: "p", namespace: "default" },
    spec: { containers: [{ name: "a", image: "a:1" }] },
  });
  const containers = (pod["spec"] as { containers: { name: string; imagePullPolicy: string }[] }).containers;
  expect(containers.map((c) => [c.name, c.imagePullPolicy])).toEqual([
    ["a", "IfNotPresent"],
    ["side", "IfNotPresent"],
  ]);
});

test("a denial carries the webhook's name, message and code", async () => {
  answer = () => ({ allowed: false, status: { message: "not today", code: 403 } });
  await register("Validating");
  expect(await refusal(client.create("configmaps", configMap()))).toBe(
    '403 admission webhook "hook.example.com" denied the request: not today',
  );
});

test("selectors and matchConditions keep requests from a webhook", async () => {
  answer = () => ({ allowed: false });
  await register("Validating", {
    objectSelector: { matchLabels: { check: "yes" } },
    namespaceSelector: {
      matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["kube-system"] }],
    },
    matchConditions: [{ name: "not-test", expression: "!has(object.metadata.labels.skip)" }],
  });
  await client.create("configmaps", configMap());
  await client.create("configmaps", configMap({ check: "yes", skip: "yes" }));
  await client.create("configmaps", {
    ...configMap({ check: "yes" }),
    metadata: { name: "s", namespace: "kube-system", labels: { check: "yes" } },
  });
  expect(calls.length).toBe(0);
  expect(await refusal(client.create("configmaps", configMap({ check: "yes" })))).toContain(
    "denied the request without explanation",
  );
});

test("IfNeeded webhooks are asked again when a later one changed the object, others are not", async () => {
  answer = ({ request }) =>
    request.object.metadata.labels?.["seen"]
      ? { allowed: true }
      : patchOf([{ op: "add", path: "/metadata/labels", value: { seen: "1" } }]);
  await register("Mutating", { reinvocationPolicy: "IfNeeded" }, "a");
  await register("Mutating", {}, "b");
  await client.create("configmaps", configMap());
  expect(calls.length).toBe(2); // a changed it, b did not: nobody is asked twice
  calls = [];
  let count = 0;
  answer = () => (++count === 2 ? patchOf([{ op: "add", path: "/data/b", value: "2" }]) : { allowed: true });
  await client.create("configmaps", configMap());
  expect(calls.length).toBe(3); // a, b (changes it), a again
});

test("an unreachable webhook refuses under Fail and is passed over under Ignore", async () => {
  const clientConfig = {
    service: { namespace: "default", name: "absent" },
    caBundle: Buffer.from(ca.certPem).toString("base64"),
  };
  await register("Validating", { clientConfig });
  expect(await refusal(client.create("configmaps", configMap()))).toBe(
    '500 Internal error occurred: failed calling webhook "hook.example.com": service "absent" not found',
  );
  await client.delete(CONFIGS.Validating, undefined, "hook");
  await register("Validating", { clientConfig, failurePolicy: "Ignore" });
  expect((await client.create("configmaps", configMap()))["data"]).toEqual({ a: "1" });
});

test("a certificate of another CA or another name is not trusted", async () => {
  const other = new CertificateAuthority("other", Date.now(), 3_600_000);
  const service = { namespace: "default", name: "hook" };
  await register("Validating", { clientConfig: { service, caBundle: Buffer.from(other.certPem).toString("base64") } });
  expect(await refusal(client.create("configmaps", configMap()))).toContain(
    "500 Internal error occurred: failed calling webhook",
  );
  await client.delete(CONFIGS.Validating, undefined, "hook");
  await client.create("services", {
    metadata: { name: "alias", namespace: "default" },
    spec: { ports: [{ port: 443, name: "https" }] },
  });
  const slice = client.get("endpointslices.discovery.k8s.io", "default", "hook")!;
  await client.create("endpointslices.discovery.k8s.io", {
    ...slice,
    metadata: { name: "alias", namespace: "default", labels: { "kubernetes.io/service-name": "alias" } },
  });
  await register("Validating", {
    clientConfig: {
      service: { namespace: "default", name: "alias" },
      caBundle: Buffer.from(ca.certPem).toString("base64"),
    },
  });
  expect(await refusal(client.create("configmaps", configMap()))).toContain(
    "500 Internal error occurred: failed calling webhook",
  );
  expect(calls.length).toBe(0);
});

test("an answer for another request, or without a response, does not count", async () => {
  await register("Validating");
  answer = () => ({ uid: "someone-else", allowed: true });
  expect(await refusal(client.create("configmaps", configMap()))).toContain("expected response.uid=");
});
