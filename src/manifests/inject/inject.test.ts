/** Objects in, patches out, applied. UPDATE_GOLDEN=1 rewrites testdata/; read the difference before you commit it. */
import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import jsonPatch from "fast-json-patch";
import type { Pod } from "#kube/types";
import { toYaml } from "#lib/yaml";
import { type DeepPartial, defaultValues, type Values } from "../values.ts";
import { injectPatch, opaquePortsPatch } from "./inject.ts";
import { uninject } from "./uninject.ts";
import { type Manifest, readWorkload } from "./workload.ts";

const ROOTS = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

interface Options {
  readonly values?: DeepPartial<Values>;
  readonly namespaceAnnotations?: Record<string, string>;
  readonly owner?: { kind: string; name: string };
}

function inject(object: Manifest, { values, namespaceAnnotations = {}, owner }: Options = {}) {
  const { patch, warnings } = injectPatch({
    workload: readWorkload(object)!,
    values: defaultValues({ identityTrustAnchorsPEM: ROOTS, linkerdVersion: "test", ...values }),
    controlPlaneNs: "linkerd",
    namespace: "shop",
    namespaceAnnotations,
    owner: owner ?? { kind: "deployment", name: "web" },
    createdBy: "linkerd/proxy-injector test",
  });
  const applied = jsonPatch.applyPatch(structuredClone(object) as object, structuredClone(patch) as never, true);
  return { patch, warnings, object: applied.newDocument as Manifest & Pick<Pod, "spec"> };
}

const golden = (name: string): string => join(import.meta.dir, "testdata", name);

function matchesGolden(name: string, value: unknown): void {
  const text = toYaml(value);
  if (Bun.env["UPDATE_GOLDEN"]) writeFileSync(golden(name), text);
  expect(text).toBe(readFileSync(golden(name), "utf8"));
}

const pod = (extra: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): Manifest => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { generateName: "web-", ...metadata },
  spec: { containers: [{ name: "app", image: "app:1", ports: [{ containerPort: 8080 }] }], ...extra },
});

test("a plain pod gets a native sidecar", () => {
  matchesGolden("pod-native.yaml", inject(pod()).object);
});

test("a pod with its own init containers, volumes, labels and token mount keeps them after the mesh's", () => {
  const mounts = [{ name: "token", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true }];
  const busy = pod(
    {
      volumes: [{ name: "token", emptyDir: {} }],
      initContainers: [{ name: "migrate", image: "app:1" }],
      containers: [
        {
          name: "app",
          image: "app:1",
          ports: [{ containerPort: 80, name: "http" }, { containerPort: 3306, name: "db" }, { containerPort: 9 }],
          readinessProbe: { httpGet: { path: "/ok", port: 9100 } },
          startupProbe: { httpGet: { path: "/ok", port: 9200 } },
          securityContext: { capabilities: { add: ["CHOWN"], drop: ["ALL", "NET_RAW"] } },
          volumeMounts: mounts,
        },
      ],
    },
    { labels: { app: "web" }, annotations: { note: "kept" } },
  );
  matchesGolden("pod-busy.yaml", inject(busy).object);
});

test("without a native sidecar an awaited proxy is the first container and holds the others back", () => {
  const values = { proxy: { nativeSidecar: false, waitBeforeExitSeconds: 5 } };
  matchesGolden("pod-classic.yaml", inject(pod(), { values }).object);
});

test("with the CNI plug-in a validator takes the place of the network rules", () => {
  matchesGolden("pod-cni.yaml", inject(pod(), { values: { cniEnabled: true } }).object);
});

test("settings, ingress mode, tracing, debug and gateway all reach the pod", () => {
  const annotations = {
    "linkerd.io/inject": "ingress",
    "config.linkerd.io/enable-gateway": "true",
    "config.linkerd.io/enable-debug-sidecar": "true",
    "config.linkerd.io/proxy-cpu-limit": "1500m",
    "config.linkerd.io/proxy-memory-request": "32Mi",
    "config.linkerd.io/proxy-gid": "2103",
    "config.linkerd.io/access-log": "json",
    "config.linkerd.io/skip-outbound-ports": "4567",
    "config.linkerd.io/proxy-additional-env": '[{"name":"EXTRA","value":"1"}]',
    "resource.opentelemetry.io/team": "shop",
  };
  const meshIdentity = { serviceAccountName: "collector", namespace: "tracing" };
  const values = {
    disableIPv6: false,
    proxy: { tracing: { enabled: true, collector: { endpoint: "collector.tracing:4317", meshIdentity } } },
  };
  const labels = { "app.kubernetes.io/name": "web" };
  matchesGolden("pod-everything.yaml", inject(pod({}, { annotations, labels }), { values }).object);
});

test("a CronJob's template is patched where it stands, and names its owner", () => {
  const cronjob: Manifest = {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "tidy" },
    spec: { jobTemplate: { spec: { template: { spec: { containers: [{ name: "app", image: "a" }] } } } } },
  };
  const { patch } = inject(cronjob, { owner: { kind: "cronjob", name: "tidy" } });
  expect(patch.map(({ path }) => path)).toEqual(
    [
      "metadata",
      "metadata/annotations",
      "metadata/annotations/linkerd.io~1created-by",
      "metadata/annotations/linkerd.io~1proxy-version",
      "metadata/annotations/linkerd.io~1trust-root-sha256",
      "metadata/labels",
      "metadata/labels/linkerd.io~1control-plane-ns",
      "metadata/labels/linkerd.io~1proxy-cronjob",
      "metadata/labels/linkerd.io~1workload-ns",
      "spec/volumes",
      "spec/initContainers",
      "spec/volumes/-",
      "spec/initContainers/0",
      "spec/volumes/-",
      "spec/volumes/-",
      "spec/initContainers/1",
    ].map((path) => `/spec/jobTemplate/spec/template/${path}`),
  );
});

test("the namespace's settings are copied to the pod and followed", () => {
  const { object, warnings } = inject(pod(), {
    namespaceAnnotations: { "config.linkerd.io/opaque-ports": "", "config.linkerd.io/default-inbound-policy": "deny" },
  });
  expect(object.metadata?.annotations).toMatchObject({
    "config.linkerd.io/opaque-ports": "",
    "config.linkerd.io/default-inbound-policy": "deny",
  });
  const env = object.spec?.initContainers?.[1]?.env ?? [];
  expect(env.find(({ name }) => name === "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY")?.value).toBe("deny");
  expect(env.some(({ name }) => name === "LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION")).toBe(false);
  expect(warnings).toEqual([]);
});

test("container ports that are opaque by default are written down", () => {
  const db = pod({
    containers: [{ name: "db", image: "db", ports: [{ containerPort: 5432 }, { containerPort: 80 }] }],
  });
  expect(inject(db).object.metadata?.annotations?.["config.linkerd.io/opaque-ports"]).toBe("5432");
});

test("trust roots that are missing are an error, not a proxy without identity", () => {
  expect(() => inject(pod(), { values: { identityTrustAnchorsPEM: "" } })).toThrow("trust roots");
});

test("an unknown iptables mode is an error that names it", () => {
  expect(() => inject(pod(), { values: { proxyInit: { iptablesMode: "ebpf" } } })).toThrow(
    '"ebpf", must be nft or legacy',
  );
});

test("uninject() undoes injectPatch()", () => {
  const object = pod(
    { volumes: [{ name: "own", emptyDir: {} }] },
    { annotations: { note: "kept" }, labels: { app: "web" } },
  );
  const { object: injected } = inject(object, { values: { proxy: { nativeSidecar: false } } });
  const { object: restored, hasChanged } = uninject(injected);
  expect(hasChanged).toBe(true);
  expect(restored).toEqual(object);
  expect(uninject(object)).toEqual({ object, hasChanged: false });
});

test("uninject() keeps a refusal and settings", () => {
  const annotations = { "linkerd.io/inject": "disabled", "config.linkerd.io/proxy-uid": "1" };
  expect(uninject(pod({}, { annotations })).object.metadata?.annotations).toEqual(annotations);
  const asked = uninject(pod({}, { annotations: { "linkerd.io/inject": "enabled" } }));
  expect(asked.object.metadata?.annotations).toEqual({});
});

const DEFAULTS = "25,3306,100-200";
const service = (ports: unknown[], annotations?: Record<string, string>): Manifest => ({
  kind: "Service",
  metadata: { name: "db", ...(annotations ? { annotations } : {}) },
  spec: { ports },
});

function opaque(object: Manifest, namespaceAnnotations: Record<string, string> = {}) {
  return opaquePortsPatch(readWorkload(object)!, namespaceAnnotations, DEFAULTS);
}

test("a Service is told its default opaque ports by number, through its target's number when it has one", () => {
  const ports = [
    { port: 3306 },
    { port: 1, targetPort: 25 },
    { port: 25, targetPort: "smtp" },
    { port: 25, targetPort: 80 },
  ];
  expect(opaque(service(ports))).toEqual([
    { op: "add", path: "/metadata/annotations", value: {} },
    { op: "add", path: "/metadata/annotations/config.linkerd.io~1opaque-ports", value: "3306,1" },
  ]);
});

test("a namespace's opaque ports are copied as they stand to what is not injected", () => {
  const patch = opaque(service([{ port: 80 }], { note: "kept" }), { "config.linkerd.io/opaque-ports": "80,http" });
  expect(patch).toEqual([
    { op: "add", path: "/metadata/annotations/config.linkerd.io~1opaque-ports", value: "80,http" },
  ]);
});

test("what names its own opaque ports, or has none, is left alone", () => {
  expect(opaque(service([{ port: 25 }], { "config.linkerd.io/opaque-ports": "" }))).toEqual([]);
  expect(opaque(service([{ port: 150 }]))).toEqual([]);
});
