import { afterEach, expect, test } from "bun:test";
import { parseYamlAll } from "#lib/yaml";
import { createRootCa, issueIntermediateCa } from "#x509";
import { CliBench } from "../../../test/support/cli.ts";
import { type Kept, KubeApi } from "../../../test/support/kube-api.ts";

const DAY_MS = 86_400_000;
const benches: CliBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

interface Installed {
  readonly api: KubeApi;
  readonly bench: CliBench;
  readonly manifest: string;
}

async function installed(...flags: string[]): Promise<Installed> {
  const api = await KubeApi.start();
  const bench = new CliBench(api);
  benches.push(bench);
  const crds = await bench.run(["install", "--crds", "--ignore-cluster"]);
  const { out: manifest } = await bench.run(["install", "--ignore-cluster", ...flags]);
  for (const object of [...parseYamlAll(crds.out), ...parseYamlAll(manifest)] as Kept[]) {
    api.put(`${object.kind!.toLowerCase()}s`, object);
  }
  return { api, bench, manifest };
}

function dataOf(text: string, name: string): Record<string, string> {
  return (parseYamlAll(text) as { metadata: { name: string }; data: Record<string, string> }[]).find(
    ({ metadata }) => metadata.name === name,
  )!.data;
}

test("upgrade keeps what install was told and the credentials it made, and takes new flags", async () => {
  const { bench, manifest } = await installed("--set", "proxy.logLevel=debug");
  const { code, out, err } = await bench.run(["upgrade", "--controller-log-level", "debug"]);
  expect([code, err]).toEqual([0, ""]);
  const values = dataOf(out, "linkerd-config")["values"]!;
  expect(values).toContain("logLevel: debug");
  expect(values).toContain("controllerLogLevel: debug");
  expect(dataOf(out, "linkerd-identity-issuer")).toEqual(dataOf(manifest, "linkerd-identity-issuer"));
  expect(dataOf(out, "linkerd-identity-trust-roots")).toEqual(dataOf(manifest, "linkerd-identity-trust-roots"));
});

test("upgrade gives webhooks new certificates", async () => {
  const { bench, manifest } = await installed();
  const { out } = await bench.run(["upgrade"]);
  const name = "linkerd-proxy-injector-k8s-tls";
  expect(dataOf(out, name)["tls.crt"]).not.toBe(dataOf(manifest, name)["tls.crt"]);
});

test("upgrade works from a saved manifest without a cluster", async () => {
  const { api, bench, manifest } = await installed("--set", "proxy.logLevel=debug");
  const saved = bench.write("linkerd.yaml", manifest);
  const before = api.calls.length;
  const { code, out } = await bench.run(["upgrade", "--from-manifests", saved]);
  expect(code).toBe(0);
  expect(dataOf(out, "linkerd-config")["values"]).toContain("logLevel: debug");
  expect(api.calls.length).toBe(before);
});

test("upgrade without the stored configuration names the way out", async () => {
  const { api, bench } = await installed();
  api.remove("secrets", "linkerd-config-overrides", "linkerd");
  const { code, out, err } = await bench.run(["upgrade"]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain("If Linkerd was installed with Helm, upgrade it with Helm");
  const empty = bench.write("empty.yaml", "kind: Namespace\n");
  expect((await bench.run(["upgrade", "--from-manifests", empty])).err).toContain(
    "holds no Secret linkerd-config-overrides",
  );
});

test("upgrade asks for new definitions first", async () => {
  const { api, bench } = await installed();
  api.remove("customresourcedefinitions", "servers.policy.linkerd.io");
  const { code, err } = await bench.run(["upgrade"]);
  expect(code).toBe(1);
  expect(err).toContain("linkerd upgrade --crds | kubectl apply -f -");
  expect(err).toContain("Missing: servers.policy.linkerd.io");
});

test("an issuer that running proxies do not trust is refused unless forced", async () => {
  const { api, bench, manifest } = await installed();
  const nowMs = Date.now();
  const root = await createRootCa({ name: "new root", lifetimeMs: 90 * DAY_MS, nowMs });
  const issuer = await issueIntermediateCa(root, { name: "issuer", lifetimeMs: 90 * DAY_MS, nowMs });
  const anchors = dataOf(manifest, "linkerd-identity-trust-roots")["ca-bundle.crt"]!;
  api.put("pods", {
    metadata: { name: "web-1", namespace: "shop", labels: { "linkerd.io/control-plane-ns": "linkerd" } },
    spec: {
      containers: [{ name: "linkerd-proxy", env: [{ name: "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", value: anchors }] }],
    },
  });
  const flags = [
    ["--identity-trust-anchors-file", bench.write("anchors.pem", root.certPem)],
    ["--identity-issuer-certificate-file", bench.write("issuer.pem", issuer.certPem)],
    ["--identity-issuer-key-file", bench.write("issuer.key", issuer.keyPem)],
  ].flat();
  expect((await bench.run(["upgrade"])).code).toBe(0);
  const refused = await bench.run(["upgrade", ...flags]);
  expect([refused.code, refused.out]).toEqual([1, ""]);
  expect(refused.err).toContain("\t* shop/web-1");
  const forced = await bench.run(["upgrade", "--force", ...flags]);
  expect(forced.code).toBe(0);
  expect(forced.err).toContain("‼ Rotating the trust anchors");
});

test("prune names what is labelled and no longer rendered, and nothing else", async () => {
  const { api, bench } = await installed();
  expect((await bench.run(["prune"])).out).toBe("");
  const labels = { "linkerd.io/control-plane-ns": "linkerd" };
  api.put("services", { metadata: { name: "linkerd-grafana", namespace: "linkerd", labels } });
  api.put("jobs", { metadata: { name: "owned", namespace: "linkerd", labels, ownerReferences: [{ name: "cron" }] } });
  const { code, out } = await bench.run(["prune"]);
  expect(code).toBe(0);
  expect(out).toBe("apiVersion: v1\nkind: Service\nmetadata:\n  name: linkerd-grafana\n  namespace: linkerd\n---\n");
});
