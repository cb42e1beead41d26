import { afterEach, expect, test } from "bun:test";
import { parseYamlAll } from "#lib/yaml";
import { createRootCa } from "#x509";
import { CliBench } from "../../../test/support/cli.ts";

const benches: CliBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

function start(): CliBench {
  const bench = new CliBench();
  benches.push(bench);
  return bench;
}

const INPUT = `# the shop's front
apiVersion: apps/v1
kind: Deployment # with a note
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 0x2
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
      # the only one
      - name: web
        image: "shop/web:1"
        env:
        - {name: DEBUG, value: "on"}
        ports:
        - containerPort: 8080
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
  - port: 80
---
`;

test("inject adds one annotation and leaves every other byte as it was", async () => {
  const { code, out, err } = await start().run(["inject", "--ignore-cluster", "-"], INPUT);
  expect(code).toBe(0);
  const annotated = INPUT.replace(
    "        app: web\n    spec",
    "        app: web\n      annotations:\n        linkerd.io/inject: enabled\n    spec",
  );
  expect(out).toBe(annotated);
  expect(err).toBe('\ndeployment "web" injected\nservice "web" skipped\n\n');
});

test("uninject takes out what inject --manual wrote, comments and all the rest kept", async () => {
  const bench = start();
  const root = await createRootCa({ name: "root", lifetimeMs: 3_600_000, nowMs: Date.now() });
  const anchors = bench.write("roots.pem", root.certPem);
  const flags = ["--manual", "--ignore-cluster", "--identity-trust-anchors-file", anchors];
  const injected = await bench.run(["inject", ...flags, "-"], INPUT);
  expect(injected.code).toBe(0);
  const [deployment] = parseYamlAll(injected.out) as [
    { spec: { template: { spec: { initContainers: { name: string }[]; containers: { name: string }[] } } } },
  ];
  const { spec } = deployment.spec.template;
  expect(spec.initContainers.map(({ name }) => name)).toEqual(["linkerd-init", "linkerd-proxy"]);
  expect(spec.containers.map(({ name }) => name)).toEqual(["web"]);
  expect(injected.out).toContain("# the only one");

  const back = await bench.run(["uninject", "-"], injected.out);
  expect(back.code).toBe(0);
  expect(back.out).toBe(INPUT);
  expect(back.err).toBe('\ndeployment "web" uninjected\nservice "web" skipped\n\n');
});

test("a namespace asks for its pods even when containers are written out", async () => {
  const bench = start();
  const root = await createRootCa({ name: "root", lifetimeMs: 3_600_000, nowMs: Date.now() });
  const anchors = bench.write("roots.pem", root.certPem);
  const namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n";
  const flags = ["--manual", "--ignore-cluster", "--identity-trust-anchors-file", anchors];
  const { out } = await bench.run(["inject", ...flags, "-"], namespace);
  expect(out).toBe(`${namespace}  annotations:\n    linkerd.io/inject: enabled\n---\n`);
});

test("an annotation that cannot be read is named, and the proxy is written out without it", async () => {
  const bench = start();
  const root = await createRootCa({ name: "root", lifetimeMs: 3_600_000, nowMs: Date.now() });
  const flags = ["--manual", "--ignore-cluster", "--identity-trust-anchors-file", bench.write("roots", root.certPem)];
  const input = INPUT.replace(
    "      labels:\n        app: web\n",
    "      annotations:\n        config.linkerd.io/proxy-cpu-request: lots\n",
  );
  const { code, out, err } = await bench.run(["inject", ...flags, "-"], input);
  expect(code).toBe(0);
  expect(out).toContain("linkerd-proxy");
  expect(err).toContain(
    'Ignored annotation config.linkerd.io/proxy-cpu-request: "lots": must be a Kubernetes quantity like 100m or 64Mi\n',
  );
});

test("injecting twice changes nothing the second time", async () => {
  const bench = start();
  const once = await bench.run(["inject", "--ignore-cluster", "-"], INPUT);
  const twice = await bench.run(["inject", "--ignore-cluster", "-"], once.out);
  expect(twice.out).toBe(once.out);
});

test("flags that differ from the configuration become annotations, and quoting keeps them text", async () => {
  const flags = ["--proxy-log-level", "off", "--skip-outbound-ports", "3306,4000-4100", "--opaque-ports", "5432"];
  const { out } = await start().run(["inject", "--ignore-cluster", ...flags, "-"], INPUT);
  expect(out).toContain('config.linkerd.io/proxy-log-level: "off"\n');
  expect(out).toContain("config.linkerd.io/skip-outbound-ports: 3306,4000-4100\n");
  const [, service] = parseYamlAll(out) as [unknown, { metadata: { annotations: object } }];
  expect(service.metadata.annotations).toEqual({ "config.linkerd.io/opaque-ports": "5432" });
});

test("a list's items are injected one by one and stay in their list", async () => {
  const list = JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
      { apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec: { containers: [{ name: "a" }] } },
    ],
  });
  const { out, err } = await start().run(["inject", "--ignore-cluster", "-o", "json", "-"], list);
  const { kind, items } = JSON.parse(out) as { kind: string; items: { metadata: { annotations: object } }[] };
  expect(kind).toBe("List");
  for (const item of items) expect(item.metadata.annotations).toEqual({ "linkerd.io/inject": "enabled" });
  expect(err).toBe('\nnamespace "shop" annotated\npod "a" injected\n\n');
});

test("a directory is read file by file, in order", async () => {
  const bench = start();
  bench.write("b.yaml", "kind: Namespace\napiVersion: v1\nmetadata:\n  name: b\n");
  bench.write("a.yaml", "kind: Namespace\napiVersion: v1\nmetadata:\n  name: a\n");
  const { err } = await bench.run(["inject", "--ignore-cluster", bench.directory]);
  expect(err).toBe('\nnamespace "a" annotated\nnamespace "b" annotated\n\n');
});

const pod = (spec: string) =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  ${spec}\n  containers:\n  - name: a\n`;

test("a pod on the host's network fails the command, and nothing is printed", async () => {
  const { code, out, err } = await start().run(
    ["inject", "--ignore-cluster", "-"],
    `${INPUT}${pod("hostNetwork: true")}`,
  );
  expect(code).toBe(1);
  expect(out).toBe("");
  expect(err).toBe("Error: transforming resources:\nfailed to inject pod/p: hostNetwork is enabled\n");
});

test("a workload that is annotated against injection stays as it is", async () => {
  const refusing = pod("restartPolicy: Always").replace(
    "  name: p",
    "  name: p\n  annotations:\n    linkerd.io/inject: disabled",
  );
  const { code, out, err } = await start().run(["inject", "--ignore-cluster", "-"], refusing);
  expect([code, out]).toEqual([0, `${refusing}---\n`]);
  expect(err).toContain('"linkerd.io/inject: disabled" annotation set on pod/p');
  expect(err).toContain('pod "p" skipped');
});

/** Nine times nine times nine ...: a kilobyte that would fill the memory. */
const BOMB = [..."bcdef"]
  .map((key, at) => `${key}: &${key} [${Array(9).fill(`*${"abcde"[at]}`).join(", ")}]`)
  .toSpliced(0, 0, "a: &a [x]")
  .join("\n");

const bad: [string, string[], string, string][] = [
  ["no argument", [], "", "please specify a kubernetes resource file"],
  ["broken YAML", ["-"], "kind: [Pod\n", "Cannot parse standard input"],
  ["text that is no object", ["-"], "hello\n", "wanted Kubernetes objects"],
  [
    "a List of no items",
    ["-"],
    "kind: List\nitems: 3\n",
    "Cannot read the List in standard input: items must be a list",
  ],
  [
    "containers that are no list",
    ["-"],
    "kind: Pod\nmetadata: {name: p}\nspec: {containers: {name: a}}\n",
    'Cannot read pod "p" in standard input: spec.containers must be a list, got {"name":"a"}',
  ],
  [
    "an annotation that is no text",
    ["-"],
    "kind: Deployment\nmetadata: {name: d}\nspec: {template: {metadata: {annotations: {linkerd.io/inject: true}}}}\n",
    'Cannot read deployment "d" in standard input: spec.template.metadata.annotations.linkerd.io/inject must be text, got true',
  ],
  [
    "a container of a List's item that is no map",
    ["-"],
    "kind: List\nitems: [{kind: Job, metadata: {name: j}, spec: {template: {spec: {containers: [{name: a}, b]}}}}]\n",
    'Cannot read job "j" in standard input: spec.template.spec.containers[1] must be a map, got "b"',
  ],
  ["YAML that unfolds without end", ["-"], BOMB, "Cannot read standard input: Excessive alias count"],
  ["a file that is not there", ["/nowhere/x.yaml"], "", 'Cannot read "/nowhere/x.yaml"'],
  ["plain HTTP", ["http://example.com/x.yaml"], "", "only HTTPS URLs are allowed"],
  ["an unknown format", ["-o", "xml", "-"], "", "-o must be yaml or json"],
  ["--manual without roots", ["--manual", "-"], INPUT, "add --identity-trust-anchors-file"],
  ["a bad port list", ["--skip-inbound-ports", "80-", "-"], INPUT, '"80-" is neither a port nor a range'],
  ["an unknown policy", ["--default-inbound-policy", "open", "-"], INPUT, "must be one of: all-authenticated"],
];

for (const [what, args, stdin, message] of bad) {
  test(`inject refuses ${what} and says what to do`, async () => {
    const { code, out, err } = await start().run(["inject", "--ignore-cluster", ...args], stdin);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(message);
  });
}
