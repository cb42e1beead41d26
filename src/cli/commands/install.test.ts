import { afterEach, expect, test } from "bun:test";
import { parseYamlAll } from "#lib/yaml";
import { createRootCa, issueIntermediateCa, issueServingCertificate, parseCertificates, verifyChain } from "#x509";
import { CliBench } from "../../../test/support/cli.ts";
import { KubeApi } from "../../../test/support/kube-api.ts";

const HOUR_MS = 3_600_000;
const benches: CliBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

function start(api?: KubeApi): CliBench {
  const bench = new CliBench(api);
  benches.push(bench);
  return bench;
}

interface Installed {
  kind: string;
  metadata: { name: string; namespace?: string };
  data: Record<string, string>;
  webhooks: { clientConfig: { caBundle: string } }[];
  spec: { replicas: number };
}

async function installed(bench: CliBench, ...flags: string[]): Promise<Installed[]> {
  const { code, out, err } = await bench.run(["install", "--ignore-cluster", ...flags]);
  expect([code, err]).toEqual([0, ""]);
  return parseYamlAll(out) as Installed[];
}

function find(objects: Installed[], name: string, kind?: string): Installed {
  return objects.find((object) => object.metadata.name === name && (!kind || object.kind === kind))!;
}

const secretText = (object: Installed, key: string) => Buffer.from(object.data[key]!, "base64").toString();

test("install makes an anchor, an issuer and a trusted certificate for each webhook", async () => {
  const objects = await installed(start());
  const anchor = parseCertificates(find(objects, "linkerd-identity-trust-roots").data["ca-bundle.crt"]!);
  expect(anchor[0]!.commonName).toBe("identity.linkerd.cluster.local");
  expect(secretText(find(objects, "linkerd-identity-issuer"), "key.pem")).toContain("PRIVATE KEY");
  for (const name of ["proxy-injector", "sp-validator", "policy-validator"]) {
    const [leaf] = parseCertificates(secretText(find(objects, `linkerd-${name}-k8s-tls`), "tls.crt"));
    const bundle = find(objects, `linkerd-${name}-webhook-config`).webhooks[0]!.clientConfig.caBundle;
    const roots = parseCertificates(Buffer.from(bundle, "base64").toString());
    expect(verifyChain({ certificate: leaf!, intermediates: [], roots, nowMs: Date.now() }).error).toBeUndefined();
    expect(leaf!.dnsNames).toEqual([`linkerd-${name}.linkerd.svc`]);
  }
});

test("no webhook key is remembered for upgrades; the issuer's is", async () => {
  const secret = find(await installed(start()), "linkerd-config-overrides");
  const [stored] = parseYamlAll(secretText(secret, "linkerd-config-overrides")) as [Record<string, object>];
  expect(Object.keys(stored)).toEqual(["identity", "identityTrustAnchorsPEM"]);
});

test("--set beats the typed flags, which beat high availability", async () => {
  const flags = ["--ha", "--controller-replicas", "4", "--set", "controllerReplicas=5"];
  expect(find(await installed(start(), ...flags), "linkerd-identity", "Deployment").spec.replicas).toBe(5);
  expect(find(await installed(start(), ...flags.slice(0, 3)), "linkerd-identity", "Deployment").spec.replicas).toBe(4);
});

test("a values file is read and the namespace follows -L", async () => {
  const bench = start();
  const values = bench.write("values.yaml", "proxy:\n  logLevel: debug\n");
  const objects = await installed(bench, "-L", "mesh", "-f", values);
  expect(find(objects, "linkerd-config").metadata.namespace).toBe("mesh");
  expect(find(objects, "linkerd-config").data["values"]).toContain("logLevel: debug");
});

test("an issuer under its anchor is taken", async () => {
  const bench = start();
  const nowMs = Date.now();
  const root = await createRootCa({ name: "root", lifetimeMs: HOUR_MS, nowMs });
  const issuer = await issueIntermediateCa(root, { name: "issuer", lifetimeMs: HOUR_MS, nowMs });
  const objects = await installed(bench, ...identityFlags(bench, root.certPem, issuer.certPem, issuer.keyPem));
  expect(secretText(find(objects, "linkerd-identity-issuer"), "crt.pem")).toBe(issuer.certPem.trim());
});

function identityFlags(bench: CliBench, anchors: string, crt: string, key: string): string[] {
  return [
    ["--identity-trust-anchors-file", bench.write("anchors.pem", anchors)],
    ["--identity-issuer-certificate-file", bench.write("issuer.pem", crt)],
    ["--identity-issuer-key-file", bench.write("issuer.key", key)],
  ].flat();
}

async function refused(bench: CliBench, flags: string[], message: string): Promise<void> {
  const { code, out, err } = await bench.run(["install", "--ignore-cluster", ...flags]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain(message);
  expect(err).not.toContain("PRIVATE KEY");
}

test("an issuer under another anchor, a foreign key, a leaf and an unreadable file are refused", async () => {
  const bench = start();
  const nowMs = Date.now();
  const root = await createRootCa({ name: "root", lifetimeMs: HOUR_MS, nowMs });
  const other = await createRootCa({ name: "other", lifetimeMs: HOUR_MS, nowMs });
  const issuer = await issueIntermediateCa(root, { name: "issuer", lifetimeMs: HOUR_MS, nowMs });
  const leaf = await issueServingCertificate(root, { dnsNames: ["leaf.test"], lifetimeMs: HOUR_MS, nowMs });
  const flags = (anchors: string, crt: string, key: string) => identityFlags(bench, anchors, crt, key);
  await refused(bench, flags(other.certPem, issuer.certPem, issuer.keyPem), "is not issued by the trust anchors");
  await refused(bench, flags(root.certPem, issuer.certPem, other.keyPem), "the key does not belong to");
  await refused(bench, flags(root.certPem, leaf.certPem, leaf.keyPem), "is not a CA");
  await refused(
    bench,
    flags("nonsense", issuer.certPem, issuer.keyPem),
    "Cannot read the trust anchors: no PEM certificate",
  );
  await refused(bench, flags(root.certPem, issuer.certPem, "nonsense"), "Cannot parse private key");
  await refused(bench, ["--identity-trust-anchors-file", "/nowhere"], "a certificate file must be specified");
});

const bad: [string[], string][] = [
  [["--set", "proxy.logLevel"], 'Cannot read --set "proxy.logLevel": "proxy.logLevel" has no value; wanted key=value'],
  [["-f", "/nowhere/values.yaml"], 'Cannot read "/nowhere/values.yaml"'],
  [["--controller-log-level", "loud"], "--controller-log-level must be one of"],
  [["--set", "clusterNetworks=10.0.0.0"], 'cannot parse clusterNetworks "10.0.0.0"'],
  [["--identity-trust-domain", "Not A Domain"], "invalid trust domain"],
  [["--identity-issuance-lifetime", "soon"], "--identity-issuance-lifetime: Cannot parse duration"],
  [["--proxy-cpu-request", "2", "--proxy-cpu-limit", "1"], "cannot be lower than its request"],
  [["--proxy-memory-limit", "much"], 'Cannot read quantity "much"'],
  [["--inbound-port", "70000"], "wanted 1 to 65535"],
  [["-o", "xml"], "-o must be yaml or json"],
  [["-L", "not/a/namespace"], "is not a valid namespace"],
  [["--identity-external-issuer"], "--ignore-cluster is not supported"],
  [["--imge-pull-policy", "Never"], "unknown option '--imge-pull-policy'"],
];

for (const [flags, message] of bad) {
  test(`install ${flags.join(" ")} is refused with what was wrong`, () => refused(start(), flags, message));
}

const crd = (name: string, annotations = {}) => ({ metadata: { name, annotations }, spec: {} });

async function cluster(): Promise<KubeApi> {
  const api = await KubeApi.start();
  api.fixed.set("/version", { gitVersion: "v1.32.0" });
  return api;
}

test("install asks for the definitions first, and refuses a second control plane", async () => {
  const api = await cluster();
  const bench = start(api);
  expect((await bench.run(["install"])).err).toContain("linkerd install --crds | kubectl apply -f -");
  for (const document of parseYamlAll((await bench.run(["install", "--crds", "--ignore-cluster"])).out)) {
    api.put("customresourcedefinitions", document as never);
  }
  api.put("services", {
    metadata: { name: "kubernetes", namespace: "default" },
    spec: { ports: [{ port: 443, targetPort: 8443 }] },
  });
  const first = await bench.run(["install"]);
  expect(first.code).toBe(0);
  expect(first.out).toContain("443,8443");
  api.put("configmaps", { metadata: { name: "linkerd-config", namespace: "linkerd" }, data: { values: "{}" } });
  const second = await bench.run(["install"]);
  expect([second.code, second.out]).toEqual([1, ""]);
  expect(second.err).toContain("ConfigMap/linkerd-config already exists");
});

test("the Gateway API is brought when asked, kept when ours, and left alone when someone else's", async () => {
  const api = await cluster();
  const bench = start(api);
  const count = async (...flags: string[]) => {
    const { code, out } = await bench.run(["install", "--crds", ...flags]);
    return code === 0 ? parseYamlAll(out).length : -1;
  };
  expect(await count()).toBe(-1);
  expect(await count("--set", "installGatewayAPI=true")).toBe(14);
  api.put("customresourcedefinitions", crd("httproutes.gateway.networking.k8s.io", { "linkerd.io/created-by": "x" }));
  expect(await count()).toBe(14);
  api.put("customresourcedefinitions", crd("httproutes.gateway.networking.k8s.io"));
  expect(await count()).toBe(10);
  expect(await count("--set", "installGatewayAPI=true")).toBe(-1);
});

test("a cluster that cannot be reached is named, with the way around", async () => {
  const api = await cluster();
  const bench = start(api);
  await api.stop();
  const { code, err } = await bench.run(["install"]);
  expect(code).toBe(1);
  expect(err).toContain("Cannot connect to the Kubernetes cluster");
  expect(err).toContain("--ignore-cluster");
});
