import { expect, test } from "bun:test";
import { crdObjects } from "./index.ts";

interface Version {
  name: string;
  storage: boolean;
  schema: { openAPIV3Schema: Record<string, unknown> };
}

interface Spec {
  group: string;
  names: { plural: string };
  versions: Version[];
}

const all = crdObjects({ gatewayApi: true });
const own = crdObjects();

test("the definitions are these, in this order", () => {
  expect(own.map((crd) => crd.metadata.name)).toEqual([
    "authorizationpolicies.policy.linkerd.io",
    "egressnetworks.policy.linkerd.io",
    "httplocalratelimitpolicies.policy.linkerd.io",
    "httproutes.policy.linkerd.io",
    "meshtlsauthentications.policy.linkerd.io",
    "networkauthentications.policy.linkerd.io",
    "serverauthorizations.policy.linkerd.io",
    "servers.policy.linkerd.io",
    "serviceprofiles.linkerd.io",
    "externalworkloads.workload.linkerd.io",
  ]);
  expect(all.length).toBe(own.length + 4);
});

test("a definition is named after its plural and group, and stores exactly one version", () => {
  for (const crd of all) {
    const spec = crd.spec as Spec;
    expect(crd.metadata.name).toBe(`${spec.names.plural}.${spec.group}`);
    expect(spec.versions.filter((version) => version.storage).length).toBe(1);
  }
});

test("every schema is structural: each node has a type, required fields exist, defaults fit", () => {
  for (const crd of all) {
    for (const version of (crd.spec as Spec).versions) {
      inspect(version.schema.openAPIV3Schema, `${crd.metadata.name} ${version.name}`);
    }
  }
});

function inspect(schema: Record<string, unknown>, path: string): void {
  if (!schema["x-kubernetes-int-or-string"])
    expect({ path, type: typeof schema.type }).toEqual({ path, type: "string" });
  const properties = (schema.properties ?? {}) as Record<string, Record<string, unknown>>;
  for (const name of (schema.required ?? []) as string[])
    expect({ path, has: Object.keys(properties) }).toEqual({ path, has: expect.arrayContaining([name]) });
  if (typeof schema.pattern === "string") expect(() => new RegExp(schema.pattern as string)).not.toThrow();
  const choices = schema.enum as string[] | undefined;
  if (choices && schema.default !== undefined) expect(choices).toContain(schema.default as string);
  for (const [name, child] of Object.entries(properties)) inspect(child, `${path}.${name}`);
  if (schema.type === "array") inspect(schema.items as Record<string, unknown>, `${path}[]`);
}

test("the Gateway API's definitions survive an uninstall and say which bundle they are", () => {
  const gateway = all.filter((crd) => crd.metadata.name.endsWith("gateway.networking.k8s.io"));
  for (const crd of gateway) {
    expect(crd.metadata.annotations?.["helm.sh/resource-policy"]).toBe("keep");
    expect(crd.metadata.annotations?.["gateway.networking.k8s.io/bundle-version"]).toBe("v1.1.1");
  }
});
