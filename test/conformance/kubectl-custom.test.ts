import { afterAll, beforeAll, expect, test } from "bun:test";
import { expecting, type KubectlServer, startKubectlServer } from "./kubectl-server.ts";

let cluster: KubectlServer;
beforeAll(async () => {
  cluster = await startKubectlServer();
});
afterAll(() => cluster.close());

const { ok, fails } = expecting(() => cluster);

const CRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  versions:
  - &version
    name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Schedule, type: string, jsonPath: .spec.schedule}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Ready, type: string, priority: 1, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [schedule]
            x-kubernetes-validations:
            - {rule: "!has(self.max) || self.replicas <= self.max", message: replicas must not exceed max}
            - {rule: "self.schedule == oldSelf.schedule", message: schedule is fixed}
            properties:
              schedule: {type: string, pattern: '^\\S+( \\S+){4}$', description: When it runs.}
              replicas: {type: integer, default: 1, minimum: 0}
              max: {type: integer}
              hosts:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties: {name: {type: string}, mode: {type: string, enum: [fast, slow], default: slow}}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
  - {<<: *version, name: v1beta1, storage: false}
`;

const tab = (spec: string, name = "one") =>
  `{apiVersion: example.com/v1, kind: CronTab, metadata: {name: ${name}}, spec: {${spec}}}`;

test("a definition is established at once and served in all its versions", async () => {
  await ok("apply -f -", CRD);
  await ok("wait --for=condition=Established crd/crontabs.example.com --timeout=5s");
  expect(await ok("get ct")).toBe("");
  expect(await ok("api-versions")).toMatch(/^example\.com\/v1\nexample\.com\/v1beta1$/m);
});

test("objects are pruned, defaulted and printed with the definition's columns", async () => {
  await ok("apply -f -", tab("schedule: '* * * * *', hosts: [{name: a}]"));
  const stored = JSON.parse(await ok("get ct one -o json"));
  expect(stored.spec).toEqual({ schedule: "* * * * *", replicas: 1, hosts: [{ name: "a", mode: "slow" }] });
  const [head, row] = (await ok("get ct")).split("\n");
  expect([head!.split(/\s{2,}/), row!.split(/\s{2,}/)]).toEqual([
    ["NAME", "SCHEDULE", "REPLICAS"],
    ["one", "* * * * *", "1"],
  ]);
  expect(JSON.parse(await ok("get crontabs.v1beta1.example.com one -o json")).apiVersion).toBe("example.com/v1beta1");
});

test("strict, schema and CEL errors are Kubernetes' own words", async () => {
  expect(await fails("apply -f -", tab("schedule: '* * * * *', foo: 1", "two"))).toContain(
    'strict decoding error: unknown field "spec.foo"',
  );
  expect(await fails("apply -f -", tab("replicas: -1", "two"))).toContain("spec.schedule: Required value");
  expect(await fails("apply -f -", tab("schedule: x", "two"))).toContain(
    "spec.schedule in body should match '^\\S+( \\S+){4}$'",
  );
  expect(await fails("apply -f -", tab("schedule: '* * * * *', replicas: -1", "two"))).toContain(
    "spec.replicas in body should be greater than or equal to 0",
  );
  expect(await fails("apply -f -", tab("schedule: '* * * * *', hosts: [{name: a, mode: odd}]", "two"))).toContain(
    'spec.hosts[0].mode: Unsupported value: "odd": supported values: "fast", "slow"',
  );
  expect(await fails("apply -f -", tab("schedule: '* * * * *', hosts: [{name: a}, {name: a}]", "two"))).toContain(
    "Duplicate value",
  );
  expect(await fails("apply -f -", tab("schedule: '* * * * *', replicas: 5, max: 3", "two"))).toContain(
    "replicas must not exceed max",
  );
  expect(await fails("apply -f -", tab("schedule: '1 * * * *'"))).toContain("schedule is fixed");
  await ok("apply --validate=false -f -", tab("schedule: '* * * * *', foo: 1", "three"));
  expect(await ok("get ct three -o jsonpath={.spec}")).toBe('{"replicas":1,"schedule":"* * * * *"}');
});

test("keyed lists of custom resources merge in server-side apply", async () => {
  await ok(
    "apply --server-side --field-manager=x -f -",
    tab("schedule: '* * * * *', hosts: [{name: b, mode: fast}]", "four"),
  );
  await ok("apply --server-side --field-manager=y -f -", tab("schedule: '* * * * *', hosts: [{name: c}]", "four"));
  expect(await ok("get ct four -o jsonpath={.spec.hosts[*].name}")).toBe("b c");
  await ok("apply --server-side --field-manager=x -f -", tab("schedule: '* * * * *'", "four"));
  expect(await ok("get ct four -o jsonpath={.spec.hosts[*].name}")).toBe("c");
});

test("status is written apart, scale goes through its paths", async () => {
  await ok('patch ct one --subresource=status --type=merge -p {"status":{"replicas":3},"spec":{"replicas":9}}');
  const stored = JSON.parse(await ok("get ct one -o json"));
  expect([stored.status, stored.spec.replicas, stored.metadata.generation]).toEqual([{ replicas: 3 }, 1, 1]);
  await ok('patch ct one --type=merge -p {"status":{"replicas":7}}');
  expect(await ok("get ct one -o jsonpath={.status.replicas}")).toBe("3");
  await ok("scale ct/one --replicas=4");
  expect(await ok("get ct one -o jsonpath={.spec.replicas},{.metadata.generation}")).toBe("4,2");
  expect(await fails('patch ct one --type=strategic -p {"spec":{}}')).toContain(
    "application/strategic-merge-patch+json is not supported",
  );
});

test("explain reads the definition's schema", async () => {
  expect(await ok("explain crontab.spec.schedule")).toContain("When it runs.");
});

test("a definition that is not sound is refused", async () => {
  const err = await fails(
    "apply -f -",
    CRD.replace("self.replicas <= self.max", "self.replicas <=").replace("crontabs.example.com", "tabs.example.com"),
  );
  expect(err).toContain('must be spec.names.plural+"."+spec.group');
  expect(err).toContain("compilation failed");
});

test("objects go with their definition", async () => {
  await ok("delete crd crontabs.example.com");
  expect(await fails("get crontabs.example.com")).toContain('the server doesn\'t have a resource type "crontabs"');
  expect(cluster.server.store.list("crontabs.example.com")).toEqual([]);
});
