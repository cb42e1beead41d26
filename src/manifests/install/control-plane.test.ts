import { expect, test } from "bun:test";
import { parseYamlAll, toYaml } from "#lib/yaml";
import { type DeepPartial, defaultValues, haValues, mergeValues, type Values } from "../values.ts";
import { controlPlaneObjects } from "./control-plane.ts";
import type { Manifest } from "./object.ts";

const hook = { crtPEM: "hook certificate", keyPEM: "hook key" };
const credentials: DeepPartial<Values> = {
  identityTrustAnchorsPEM: "roots\n",
  identity: { issuer: { tls: { crtPEM: "issuer certificate", keyPEM: "issuer key" } } },
  proxyInjector: hook,
  profileValidator: hook,
  policyValidator: hook,
};

function render(overrides: DeepPartial<Values> = {}): Manifest[] {
  const values = mergeValues(defaultValues(credentials) as never, overrides as never) as unknown as Values;
  return controlPlaneObjects(values);
}

function find(objects: Manifest[], kind: string, name: string): Manifest {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (!found) throw new Error(`no ${kind}/${name}`);
  return found;
}

interface PodLike {
  containers: { name: string; image: string; args: string[]; env: { name: string; value?: string }[] }[];
  initContainers: { name: string; restartPolicy?: string; args: string[] }[];
  volumes: { name: string }[];
  affinity?: unknown;
}

function podOf(objects: Manifest[], name: string): PodLike {
  return (find(objects, "Deployment", name).spec as { template: { spec: PodLike } }).template.spec;
}

const GOLDEN = `
Namespace linkerd
ClusterRole linkerd-linkerd-identity
ClusterRoleBinding linkerd-linkerd-identity
ServiceAccount linkerd/linkerd-identity
ClusterRole linkerd-linkerd-destination
ClusterRoleBinding linkerd-linkerd-destination
ServiceAccount linkerd/linkerd-destination
Secret linkerd/linkerd-sp-validator-k8s-tls
ValidatingWebhookConfiguration linkerd-sp-validator-webhook-config
Secret linkerd/linkerd-policy-validator-k8s-tls
ValidatingWebhookConfiguration linkerd-policy-validator-webhook-config
ClusterRole linkerd-policy
ClusterRoleBinding linkerd-destination-policy
Role linkerd/remote-discovery
RoleBinding linkerd/linkerd-destination-remote-discovery
ClusterRole linkerd-linkerd-proxy-injector
ClusterRoleBinding linkerd-linkerd-proxy-injector
ServiceAccount linkerd/linkerd-proxy-injector
Secret linkerd/linkerd-proxy-injector-k8s-tls
MutatingWebhookConfiguration linkerd-proxy-injector-webhook-config
ConfigMap linkerd/linkerd-config
Role linkerd/ext-namespace-metadata-linkerd-config
Secret linkerd/linkerd-identity-issuer
ConfigMap linkerd/linkerd-identity-trust-roots
Service linkerd/linkerd-identity
Service linkerd/linkerd-identity-headless
Deployment linkerd/linkerd-identity
Service linkerd/linkerd-dst
Service linkerd/linkerd-dst-headless
Service linkerd/linkerd-sp-validator
Service linkerd/linkerd-policy
Service linkerd/linkerd-policy-validator
Deployment linkerd/linkerd-destination
Deployment linkerd/linkerd-proxy-injector
Service linkerd/linkerd-proxy-injector
Secret linkerd/linkerd-config-overrides
`.trim();

test("the control plane is these objects in this order", () => {
  const names = render().map(({ kind, metadata }) =>
    metadata.namespace ? `${kind} ${metadata.namespace}/${metadata.name}` : `${kind} ${metadata.name}`,
  );
  expect(names.join("\n")).toBe(GOLDEN);
});

test("rendering twice gives the same bytes", () => {
  const text = () => render().map(toYaml).join("---\n");
  expect(text()).toBe(text());
});

test("every object survives a trip through YAML", () => {
  const objects = render();
  expect(parseYamlAll(objects.map(toYaml).join("---\n"))).toEqual(JSON.parse(JSON.stringify(objects)));
});

test("every object but the namespace's contents is labelled with the control plane's namespace", () => {
  for (const object of render()) expect(object.metadata.labels?.["linkerd.io/control-plane-ns"]).toBe("linkerd");
});

test("no private key reaches a ConfigMap", () => {
  const config = find(render(), "ConfigMap", "linkerd-config").data as Record<string, string>;
  expect(config.values).not.toContain("key\n");
  expect(config.values).not.toContain("keyPEM");
  expect(config.values).toContain("crtPEM: issuer certificate");
  expect(config.values).toContain("identityTrustDomain: cluster.local");
});

test("what differs from the defaults is remembered for an upgrade, the issuer's key included", () => {
  const secret = find(render({ controllerReplicas: 2 }), "Secret", "linkerd-config-overrides");
  const stored = Buffer.from((secret.data as Record<string, string>)["linkerd-config-overrides"]!, "base64").toString();
  expect(parseYamlAll(stored)).toEqual([{ ...credentials, controllerReplicas: 2 }]);
});

test("destination and injector carry their proxy as a native sidecar behind the network rules", () => {
  const objects = render();
  for (const name of ["linkerd-destination", "linkerd-proxy-injector"]) {
    const pod = podOf(objects, name);
    expect(pod.initContainers.map((container) => container.name)).toEqual(["linkerd-init", "linkerd-proxy"]);
    expect(pod.initContainers[1]!.restartPolicy).toBe("Always");
  }
});

test("identity starts before its proxy and takes nothing but TLS on its port", () => {
  const pod = podOf(render(), "linkerd-identity");
  expect(pod.containers.map((container) => container.name)).toEqual(["identity", "linkerd-proxy"]);
  expect(pod.initContainers.map((container) => container.name)).toEqual(["linkerd-init"]);
  const env = new Map(pod.containers[1]!.env.map(({ name, value }) => [name, value]));
  expect(env.get("LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_TLS")).toBe("8080");
  expect(env.get("LINKERD2_PROXY_IDENTITY_SVC_ADDR")).toBe("localhost.:8080");
});

test("control-plane pods reach the API server past their proxy", () => {
  const init = podOf(render({ proxyInit: { kubeAPIServerPorts: "443,6443" } }), "linkerd-destination")
    .initContainers[0]!;
  expect(init.args.join(" ")).toContain("--outbound-ports-to-ignore 443,6443");
});

test("without native sidecars the proxy is the first container", () => {
  const pod = podOf(render({ proxy: { nativeSidecar: false } }), "linkerd-destination");
  expect(pod.containers[0]!.name).toBe("linkerd-proxy");
  expect(pod.initContainers.map((container) => container.name)).toEqual(["linkerd-init"]);
});

test("with the CNI plugin no pod sets up network rules and the namespace is restricted", () => {
  const objects = render({ cniEnabled: true });
  expect(podOf(objects, "linkerd-destination").initContainers[0]!.name).toBe("linkerd-network-validator");
  expect(podOf(objects, "linkerd-destination").volumes.map((volume) => volume.name)).not.toContain(
    "linkerd-proxy-init-xtables-lock",
  );
  expect(objects[0]!.metadata.labels?.["pod-security.kubernetes.io/enforce"]).toBe("restricted");
});

test("high availability adds budgets, spreads pods and fails closed", () => {
  const objects = render(haValues());
  const budgets = objects.filter((object) => object.kind === "PodDisruptionBudget");
  expect(budgets.map((object) => object.metadata.name)).toEqual([
    "linkerd-identity",
    "linkerd-dst",
    "linkerd-proxy-injector",
  ]);
  expect(podOf(objects, "linkerd-identity").affinity).toBeDefined();
  const registration = find(objects, "MutatingWebhookConfiguration", "linkerd-proxy-injector-webhook-config");
  expect((registration.webhooks as { failurePolicy: string }[])[0]!.failurePolicy).toBe("Fail");
});

test("a webhook trusts the certificate it is given unless cert-manager fills the bundle in", () => {
  const hookOf = (objects: Manifest[]) => {
    const registration = find(objects, "ValidatingWebhookConfiguration", "linkerd-sp-validator-webhook-config");
    return {
      registration,
      config: (registration.webhooks as { clientConfig: { caBundle?: string } }[])[0]!.clientConfig,
    };
  };
  expect(hookOf(render()).config.caBundle).toBe(Buffer.from("hook certificate").toString("base64"));
  const managed = hookOf(render({ profileValidator: { externalSecret: true, injectCaFrom: "linkerd/hook" } }));
  expect(managed.config.caBundle).toBeUndefined();
  expect(managed.registration.metadata.annotations).toEqual({ "cert-manager.io/inject-ca-from": "linkerd/hook" });
});

test("a webhook without a certificate is refused with the values to set", () => {
  expect(() => render({ policyValidator: { crtPEM: "" } })).toThrow("set policyValidator.crtPEM");
  expect(() => render({ policyValidator: { externalSecret: true } })).toThrow("no CA is named");
});

test("missing trust roots and a missing issuer are refused", () => {
  expect(() => render({ identityTrustAnchorsPEM: " " })).toThrow("--identity-trust-anchors-file");
  expect(() => render({ identity: { issuer: { tls: { keyPEM: "" } } } })).toThrow("keyPEM");
});
