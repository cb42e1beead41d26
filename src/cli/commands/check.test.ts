import { afterEach, expect, test } from "bun:test";
import { VERSION } from "#contracts/version";
import { parseYamlAll } from "#lib/yaml";
import { createRootCa, issueServingCertificate } from "#x509";
import { CliBench } from "../../../test/support/cli.ts";
import { type Kept, KubeApi } from "../../../test/support/kube-api.ts";
import type { Extension } from "../extension.ts";

const DAY_MS = 86_400_000;
const benches: CliBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

interface Cluster {
  readonly api: KubeApi;
  readonly bench: CliBench;
}

async function emptyCluster(extensions: Extension[] = []): Promise<Cluster> {
  const api = await KubeApi.start();
  api.fixed.set("/version", { gitVersion: "v1.32.1" });
  const entries = extensions.map((one) => ({ name: one.name, summary: one.name, load: async () => one }));
  const bench = new CliBench(api, entries);
  benches.push(bench);
  return { api, bench };
}

/** A cluster that holds what install prints, with pods that run. */
async function meshedCluster(extensions: Extension[] = []): Promise<Cluster> {
  const cluster = await emptyCluster(extensions);
  const { api, bench } = cluster;
  const crds = await bench.run(["install", "--crds", "--ignore-cluster", "--set", "installGatewayAPI=true"]);
  const objects = await bench.run(["install", "--ignore-cluster"]);
  for (const object of [...parseYamlAll(crds.out), ...parseYamlAll(objects.out)] as Kept[]) {
    api.put(`${object.kind!.toLowerCase()}s`, object);
    if (object.kind === "Deployment") api.put("pods", controlPlanePod(object));
  }
  return cluster;
}

interface DeploymentLike {
  spec: {
    template: { metadata: object; spec: { containers: { name: string }[]; initContainers: { name: string }[] } };
  };
}

function controlPlanePod(deployment: Kept): Kept {
  const { template } = (deployment as unknown as DeploymentLike).spec;
  const status = (container: { name: string }) => ({ name: container.name, ready: true });
  return {
    metadata: { ...template.metadata, name: `${deployment.metadata.name}-1`, namespace: "linkerd" },
    spec: template.spec,
    status: {
      phase: "Running",
      podIP: "10.1.0.1",
      containerStatuses: template.spec.containers.map(status),
      initContainerStatuses: template.spec.initContainers.map(status),
    },
  };
}

interface Result {
  success: boolean;
  categories: {
    categoryName: string;
    checks: { description: string; result: string; error?: string; hint?: string }[];
  }[];
}

async function results(bench: CliBench, ...flags: string[]): Promise<{ code: number; result: Result }> {
  const { code, out } = await bench.run(["check", "--wait", "0", "-o", "json", ...flags]);
  return { code, result: JSON.parse(out) as Result };
}

function problems({ categories }: Result): string[] {
  return categories.flatMap(({ checks }) =>
    checks.filter(({ result }) => result !== "success").map(({ description, result }) => `${result}: ${description}`),
  );
}

test("a healthy control plane passes every check, in Linkerd's order", async () => {
  const { bench } = await meshedCluster();
  const { code, result } = await results(bench);
  expect(problems(result)).toEqual([]);
  expect([code, result.success]).toEqual([0, true]);
  expect(result.categories.map(({ categoryName, checks }) => `${categoryName} ${checks.length}`)).toEqual([
    "kubernetes-api 2",
    "kubernetes-version 1",
    "gateway-api-crd 1",
    "linkerd-existence 6",
    "linkerd-config 8",
    "linkerd-identity 8",
    "linkerd-webhooks-and-apisvc-tls 6",
    "control-plane-version 2",
    "linkerd-control-plane-proxy 2",
    "linkerd-extension-checks 1",
  ]);
});

test("the table underlines categories and ends with the verdict", async () => {
  const { bench } = await meshedCluster();
  const { code, out } = await bench.run(["check"]);
  expect(code).toBe(0);
  expect(out.split("\n").slice(0, 4)).toEqual([
    "kubernetes-api",
    "--------------",
    "√ can initialize the client",
    "√ can query the Kubernetes API",
  ]);
  expect(out.endsWith("\n\nStatus check results are √\n")).toBe(true);
});

test("short prints nothing but the verdict when all is well", async () => {
  const { bench } = await meshedCluster();
  expect((await bench.run(["check", "-o", "short"])).out).toBe("Status check results are √\n");
});

test("a missing control plane fails with a hint, and nothing after it is tried", async () => {
  const { api, bench } = await meshedCluster();
  api.remove("configmaps", "linkerd-config", "linkerd");
  const { code, out, err } = await bench.run(["check", "--wait", "0", "-o", "short"]);
  expect(code).toBe(1);
  expect(err).toBe("");
  expect(out).toBe(
    `linkerd-existence
-----------------
× 'linkerd-config' config map exists
    configmaps "linkerd-config" not found
    see https://linkerd.io/2/checks/#l5d-existence-linkerd-config for hints

Status check results are ×
`,
  );
});

test("a container that is not ready is named", async () => {
  const { api, bench } = await meshedCluster();
  const pod = api.get("pods", "linkerd-destination-1", "linkerd")!;
  const status = pod["status"] as { containerStatuses: { name: string; ready: boolean }[] };
  for (const one of status.containerStatuses) if (one.name === "policy") one.ready = false;
  const { result } = await results(bench);
  const failed = result.categories.flatMap(({ checks }) => checks).find((check) => check.result === "error");
  expect(failed?.error).toBe("pod/linkerd-destination-1 container policy is not ready");
});

test("a retried check passes once what it waits for is there", async () => {
  const { api, bench } = await meshedCluster();
  const config = api.get("configmaps", "linkerd-config", "linkerd")!;
  const pod = api.get("pods", "linkerd-identity-1", "linkerd")!;
  api.remove("pods", "linkerd-identity-1", "linkerd");
  const { code, err } = await bench.run(["--verbose", "check", "--wait", "20s", "-o", "short"], "", {}, (text) => {
    if (text.includes("trying again")) api.put("pods", pod);
  });
  expect(config).toBeDefined();
  expect(code).toBe(0);
  expect(err).toContain('control plane pods are ready: No running pods for "linkerd-identity"; trying again');
}, 20_000);

async function replaceIssuer(api: KubeApi, certPem: string, keyPem: string): Promise<void> {
  const data = {
    "crt.pem": Buffer.from(certPem).toString("base64"),
    "key.pem": Buffer.from(keyPem).toString("base64"),
  };
  api.put("secrets", { metadata: { name: "linkerd-identity-issuer", namespace: "linkerd" }, data });
}

test("an issuer that the anchors did not issue is an error", async () => {
  const { api, bench } = await meshedCluster();
  const other = await createRootCa({ name: "other", lifetimeMs: 90 * DAY_MS, nowMs: Date.now() });
  await replaceIssuer(api, other.certPem, other.keyPem);
  const { code, result } = await results(bench);
  expect(code).toBe(1);
  expect(problems(result)).toContain("error: issuer cert is issued by the trust anchor");
});

test("anchor and issuer that end soon are warnings, and warnings are success", async () => {
  const { api, bench } = await meshedCluster();
  const soon = await createRootCa({ name: "soon", lifetimeMs: 30 * DAY_MS, nowMs: Date.now() });
  await replaceIssuer(api, soon.certPem, soon.keyPem);
  api.put("configmaps", {
    metadata: { name: "linkerd-identity-trust-roots", namespace: "linkerd" },
    data: { "ca-bundle.crt": soon.certPem },
  });
  const { code, result } = await results(bench);
  expect(code).toBe(0);
  expect(problems(result)).toEqual([
    "warning: trust anchors are valid for at least 60 days",
    "warning: issuer cert is valid for at least 60 days",
  ]);
});

test("expired anchors are an error", async () => {
  const { api, bench } = await meshedCluster();
  const past = await createRootCa({ name: "past", lifetimeMs: DAY_MS, nowMs: Date.now() - 10 * DAY_MS });
  await replaceIssuer(api, past.certPem, past.keyPem);
  api.put("configmaps", {
    metadata: { name: "linkerd-identity-trust-roots", namespace: "linkerd" },
    data: { "ca-bundle.crt": past.certPem },
  });
  const { result } = await results(bench);
  expect(problems(result)).toEqual(["error: trust anchors are within their validity period"]);
});

test("a webhook whose certificate the API server would not trust is an error", async () => {
  const { api, bench } = await meshedCluster();
  const ca = await createRootCa({ name: "other", lifetimeMs: 90 * DAY_MS, nowMs: Date.now() });
  const leaf = await issueServingCertificate(ca, {
    dnsNames: ["linkerd-sp-validator.linkerd.svc"],
    lifetimeMs: 90 * DAY_MS,
    nowMs: Date.now(),
  });
  const data = {
    "tls.crt": Buffer.from(leaf.certPem).toString("base64"),
    "tls.key": Buffer.from(leaf.keyPem).toString("base64"),
  };
  api.put("secrets", { metadata: { name: "linkerd-sp-validator-k8s-tls", namespace: "linkerd" }, data });
  const { result } = await results(bench);
  expect(problems(result)).toEqual(["error: sp-validator webhook has valid cert"]);
});

test("a cluster that is too old is told so", async () => {
  const { api, bench } = await meshedCluster();
  api.fixed.set("/version", { gitVersion: "v1.30.9" });
  const { result } = await results(bench);
  const [failed] = result.categories.find(({ categoryName }) => categoryName === "kubernetes-version")!.checks;
  expect(failed!.error).toBe("Kubernetes is on version [v1.30.9], but version [1.31.0] or more recent is required");
});

test("other versions of control plane and proxies are warnings", async () => {
  const { bench } = await meshedCluster();
  const { code, result } = await results(bench, "--cli-version-override", "edge-99.1.1");
  expect(code).toBe(0);
  expect(problems(result)).toEqual([
    "warning: control plane and cli versions match",
    "warning: control plane proxies and cli versions match",
  ]);
  const older = await results(bench, "--expected-version", "edge-99.1.1");
  expect(problems(older.result)).toContain("warning: cli is up-to-date");
});

const proxied = (overrides: { annotations?: object; labels?: object; image?: string; ready?: boolean } = {}): Kept => ({
  metadata: {
    name: "web-1",
    namespace: "shop",
    labels: { app: "web", "linkerd.io/control-plane-ns": "linkerd", ...overrides.labels },
    annotations: overrides.annotations ?? {},
  },
  spec: { containers: [{ name: "linkerd-proxy", image: overrides.image ?? `linkerd-ts/proxy:${VERSION}` }] },
  status: { phase: "Running", containerStatuses: [{ name: "linkerd-proxy", ready: overrides.ready ?? true }] },
});

test("--proxy looks at the data plane of one namespace", async () => {
  const { api, bench } = await meshedCluster();
  api.put("namespaces", { metadata: { name: "shop" } });
  api.put("pods", proxied());
  const { code, result } = await results(bench, "--proxy", "-n", "shop");
  expect([code, problems(result)]).toEqual([0, []]);
  expect(result.categories.at(-1)!.categoryName).toBe("linkerd-data-plane");
});

test("--proxy names what is wrong with pods and services", async () => {
  const { api, bench } = await meshedCluster();
  api.put("namespaces", { metadata: { name: "shop" } });
  api.put("pods", proxied({ labels: { "linkerd.io/inject": "enabled" }, image: "linkerd-ts/proxy:edge-1.1.1" }));
  api.put("services", {
    metadata: {
      name: "web",
      namespace: "shop",
      labels: { "config.linkerd.io/opaque-ports": "80" },
      annotations: { "config.linkerd.io/opaque-ports": "80", "mirror.linkerd.io/exported": "true" },
    },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }], clusterIP: "10.0.0.9" },
  });
  const { code, result } = await results(bench, "--proxy", "-n", "shop");
  expect(code).toBe(0);
  expect(problems(result)).toEqual([
    "warning: data plane and cli versions match",
    "warning: data plane pod labels are configured correctly",
    "warning: data plane service labels are configured correctly",
    "warning: data plane service annotations are configured correctly",
    "warning: opaque ports are properly annotated",
  ]);
});

test("a proxy that is not ready fails --proxy", async () => {
  const { api, bench } = await meshedCluster();
  api.put("namespaces", { metadata: { name: "shop" } });
  api.put("pods", proxied({ ready: false }));
  const { code, result } = await results(bench, "--proxy", "-n", "shop");
  expect([code, problems(result)]).toEqual([1, ["error: data plane proxies are ready"]]);
});

test("an address outside the cluster's networks is an error", async () => {
  const { api, bench } = await meshedCluster();
  const pod = proxied();
  api.put("pods", { ...pod, status: { ...(pod["status"] as object), podIP: "8.8.8.8" } });
  expect(problems((await results(bench)).result)).toEqual(["error: cluster networks contains all pods"]);
});

test("--pre asks for every right and creates every cluster object in a dry run", async () => {
  const { api, bench } = await emptyCluster();
  for (const name of ["httproutes", "grpcroutes"]) {
    const version = { name: "v1", served: true };
    api.put("customresourcedefinitions", {
      metadata: { name: `${name}.gateway.networking.k8s.io` },
      spec: { versions: [version] },
    });
  }
  api.put("configmaps", {
    metadata: { name: "extension-apiserver-authentication", namespace: "kube-system" },
    data: { "requestheader-client-ca-file": "pem" },
  });
  const denied = new Set(["secrets"]);
  const created: string[] = [];
  api.onPost("selfsubjectaccessreviews", (body) => {
    const { resource, verb } = (body["spec"] as { resourceAttributes: { resource: string; verb: string } })
      .resourceAttributes;
    return { ...body, status: { allowed: verb !== "get" || !denied.has(resource), reason: "no role says so" } };
  });
  for (const kind of [
    "clusterroles",
    "clusterrolebindings",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
  ]) {
    api.onPost(kind, (body, request) => {
      expect(new URL(request.url).searchParams.get("dryRun")).toBe("All");
      created.push(`${body.kind}/${body.metadata.name}`);
      return body;
    });
  }
  const { code, result } = await results(bench, "--pre");
  expect(created.length).toBe(11);
  expect([code, problems(result)]).toEqual([1, ["error: can read Secrets"]]);
  denied.clear();
  expect((await results(bench, "--pre")).code).toBe(0);
});

test("without the Gateway API the rest is not tried", async () => {
  const { bench } = await emptyCluster();
  const { code, result } = await results(bench, "--pre");
  expect([code, problems(result)]).toEqual([1, ["error: Gateway API CRDs are installed"]]);
  expect(result.categories.at(-1)!.categoryName).toBe("gateway-api-crd");
});

const viz: Extension = {
  name: "viz",
  commands() {},
  checks: () => [
    { id: "linkerd-viz", checks: [{ description: "viz stands", hint: "l5d-viz", run: async () => undefined }] },
  ],
};

test("installed extensions add their checks; one that is not part of this executable is a warning", async () => {
  const { api, bench } = await meshedCluster([viz]);
  for (const name of ["viz", "other"]) {
    api.put("namespaces", { metadata: { name: `linkerd-${name}`, labels: { "linkerd.io/extension": name } } });
  }
  const { code, result } = await results(bench);
  expect(code).toBe(0);
  expect(result.categories.slice(-2)).toEqual([
    {
      categoryName: "linkerd-other",
      checks: [
        expect.objectContaining({ description: "Linkerd extension command linkerd-other exists", result: "warning" }),
      ],
    },
    { categoryName: "linkerd-viz", checks: [{ id: "l5d-viz", description: "viz stands", result: "success" }] },
  ]);
});

test("an API server that is gone, and a kubeconfig that is not there, end the check with what to do", async () => {
  const { api, bench } = await emptyCluster();
  await api.stop();
  expect(problems((await results(bench)).result)).toEqual(["error: can query the Kubernetes API"]);
  const { code, out } = await bench.run(["check", "--kubeconfig", "/nowhere/config", "-o", "short"]);
  expect(code).toBe(1);
  expect(out).toContain('Cannot read kubeconfig "/nowhere/config"');
});

const invalid: [string[], string][] = [
  [["--pre", "--proxy"], "--pre and --proxy flags are mutually exclusive"],
  [["--pre", "--crds"], "--pre and --crds flags are mutually exclusive"],
  [["--linkerd-cni-enabled"], "--linkerd-cni-enabled can only be used with --pre"],
  [["-o", "xml"], "Invalid output type 'xml'. Supported output types are: json, table, short"],
  [["--wait", "soon"], 'Cannot parse duration "soon"'],
];

for (const [flags, message] of invalid) {
  test(`check ${flags.join(" ")} is refused`, async () => {
    const { bench } = await emptyCluster();
    const { code, err } = await bench.run(["check", ...flags]);
    expect(code).toBe(1);
    expect(err).toContain(`Validation error when executing check command: `);
    expect(err).toContain(message);
  });
}
