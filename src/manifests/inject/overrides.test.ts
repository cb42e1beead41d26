import { expect, test } from "bun:test";
import { defaultValues, type Values } from "../values.ts";
import { INHERITABLE_ANNOTATIONS, inheritedAnnotations } from "./annotations.ts";
import { applyAnnotations, parseGoBool } from "./overrides.ts";

type Read = (values: Values) => unknown;

/** Each annotation, a value for it, where it lands, and a value that cannot be followed. */
const TABLE: readonly (readonly [key: string, text: string, read: Read, expected: unknown, bad?: string])[] = [
  ["proxy-image", "mirror/proxy", (v) => v.proxy.image.name, "mirror/proxy"],
  ["proxy-version", "edge-1", (v) => v.proxy.image.version, "edge-1"],
  ["image-pull-policy", "Always", (v) => v.proxy.image.pullPolicy, "Always"],
  ["debug-image", "mirror/debug", (v) => v.debugContainer.image.name, "mirror/debug"],
  ["debug-image-version", "1", (v) => v.debugContainer.image.version, "1"],
  ["debug-image-pull-policy", "Never", (v) => v.debugContainer.image.pullPolicy, "Never"],
  ["control-port", "5190", (v) => v.proxy.ports.control, 5190, "0"],
  ["inbound-port", "5143", (v) => v.proxy.ports.inbound, 5143, "65536"],
  ["admin-port", "5191", (v) => v.proxy.ports.admin, 5191, "http"],
  ["outbound-port", "5140", (v) => v.proxy.ports.outbound, 5140, "-1"],
  ["skip-inbound-ports", "25, 80-90", (v) => v.proxyInit.ignoreInboundPorts, "25,80-90", "90-80"],
  ["skip-outbound-ports", "", (v) => v.proxyInit.ignoreOutboundPorts, "", "x"],
  ["skip-subnets", "10.0.0.0/8,fd00::/8", (v) => v.proxyInit.skipSubnets, "10.0.0.0/8,fd00::/8", "10.0.0.0"],
  ["opaque-ports", "db,9000", (v) => v.proxy.opaquePorts, "5432,9000", "queue"],
  ["proxy-require-identity-inbound-ports", "80", (v) => v.proxy.requireIdentityOnInboundPorts, "80", "http"],
  ["proxy-cpu-request", "1500m", (v) => v.proxy.runtime.workers.minimum, 2, "lots"],
  ["proxy-cpu-limit", "3", (v) => v.proxy.runtime.workers.maximum, 3, "3 cores"],
  ["proxy-cpu-ratio-limit", "0.5", (v) => v.proxy.runtime.workers.maximumCPURatio, 0.5, "1"],
  ["proxy-memory-request", "20Mi", (v) => v.proxy.resources.memory.request, "20Mi", "20 MB"],
  ["proxy-memory-limit", "250Mi", (v) => v.proxy.resources.memory.limit, "250Mi", "-1"],
  ["proxy-ephemeral-storage-request", "1G", (v) => v.proxy.resources["ephemeral-storage"].request, "1G", "G"],
  ["proxy-ephemeral-storage-limit", "2G", (v) => v.proxy.resources["ephemeral-storage"].limit, "2G", ""],
  ["proxy-uid", "4242", (v) => v.proxy.uid, 4242, "root"],
  ["proxy-gid", "4243", (v) => v.proxy.gid, 4243, "4243.5"],
  ["proxy-admin-shutdown", "enabled", (v) => v.proxy.enableShutdownEndpoint, true, "true"],
  ["proxy-await", "disabled", (v) => v.proxy.await, false, "false"],
  ["proxy-log-level", "debug", (v) => v.proxy.logLevel, "debug"],
  ["proxy-log-format", "json", (v) => v.proxy.logFormat, "json", "xml"],
  ["proxy-log-http-headers", "insecure", (v) => v.proxy.logHTTPHeaders, "insecure", "on"],
  ["access-log", "apache", (v) => v.proxy.accessLog, "apache", "nginx"],
  ["enable-external-profiles", "T", (v) => v.proxy.enableExternalProfiles, true, "yes"],
  ["enable-gateway", "true", (v) => v.proxy.isGateway, true, "on"],
  ["proxy-metrics-hostname-labels", "1", (v) => v.proxy.metrics.hostnameLabels, true, "2"],
  ["proxy-outbound-connect-timeout", "1m30s", (v) => v.proxy.outboundConnectTimeout, "90000ms", "90"],
  ["proxy-inbound-connect-timeout", "0.5s", (v) => v.proxy.inboundConnectTimeout, "500ms", "soon"],
  [
    "proxy-outbound-discovery-cache-unused-timeout",
    "2m",
    (v) => v.proxy.outboundDiscoveryCacheUnusedTimeout,
    "120s",
    "2",
  ],
  [
    "proxy-inbound-discovery-cache-unused-timeout",
    "900ms",
    (v) => v.proxy.inboundDiscoveryCacheUnusedTimeout,
    "0s",
    "-1s",
  ],
  [
    "proxy-disable-outbound-protocol-detect-timeout",
    "true",
    (v) => v.proxy.disableOutboundProtocolDetectTimeout,
    true,
    "y",
  ],
  [
    "proxy-disable-inbound-protocol-detect-timeout",
    "true",
    (v) => v.proxy.disableInboundProtocolDetectTimeout,
    true,
    "y",
  ],
  ["shutdown-grace-period", "30s", (v) => v.proxy.shutdownGracePeriod, "30000ms", "30"],
  ["default-inbound-policy", "deny", (v) => v.proxy.defaultInboundPolicy, "deny", "allow"],
  ["proxy-enable-native-sidecar", "false", (v) => v.proxy.nativeSidecar, false, "no"],
];

const namedPorts = new Map([["db", 5432]]);

for (const [key, text, read, expected, bad] of TABLE) {
  const annotation = `config.linkerd.io/${key}`;
  test(`${annotation}: "${text}" is followed`, () => {
    const { values, warnings } = applyAnnotations({
      values: defaultValues(),
      annotations: { [annotation]: text },
      namedPorts,
    });
    expect(read(values)).toEqual(expected);
    expect(warnings).toEqual([]);
  });
  if (bad === undefined) continue;
  test(`${annotation}: "${bad}" is named in a warning`, () => {
    const { warnings } = applyAnnotations({ values: defaultValues(), annotations: { [annotation]: bad }, namedPorts });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toStartWith(`Ignored annotation ${annotation}: "${bad}": must be `);
  });
}

test("every inheritable annotation is in the table or has a test of its own", () => {
  const elsewhere = ["pod-inbound-ports", "enable-debug-sidecar", "proxy-additional-env"];
  const known = new Set([...TABLE.map(([key]) => key), ...elsewhere].map((key) => `config.linkerd.io/${key}`));
  const missing = INHERITABLE_ANNOTATIONS.filter((name) => name.startsWith("config.linkerd.io/") && !known.has(name));
  expect(missing).toEqual([]);
});

test("the values that were given stay as they were", () => {
  const values = defaultValues();
  applyAnnotations({ values, annotations: { "config.linkerd.io/proxy-log-level": "trace" } });
  expect(values).toEqual(defaultValues());
});

test("a bad entry of a port list leaves the good ones standing", () => {
  const { values } = applyAnnotations({
    values: defaultValues(),
    annotations: { "config.linkerd.io/skip-inbound-ports": "80,nope,90" },
  });
  expect(values.proxyInit.ignoreInboundPorts).toBe("80,90");
});

test("the stable native-sidecar annotation silences the older ones even when it cannot be read", () => {
  const { values, warnings } = applyAnnotations({
    values: defaultValues(),
    annotations: {
      "config.linkerd.io/proxy-enable-native-sidecar": "perhaps",
      "config.beta.linkerd.io/proxy-enable-native-sidecar": "false",
    },
  });
  expect(values.proxy.nativeSidecar).toBe(true);
  expect(warnings).toHaveLength(1);
});

test("the beta native-sidecar annotation goes before the alpha one", () => {
  const { values } = applyAnnotations({
    values: defaultValues(),
    annotations: {
      "config.beta.linkerd.io/proxy-enable-native-sidecar": "false",
      "config.alpha.linkerd.io/proxy-enable-native-sidecar": "true",
    },
  });
  expect(values.proxy.nativeSidecar).toBe(false);
});

test("additional environment merges by name: values, then namespace, then workload", () => {
  const key = "config.linkerd.io/proxy-additional-env";
  const { values, warnings } = applyAnnotations({
    values: defaultValues({
      proxy: {
        additionalEnv: [
          { name: "A", value: "values" },
          { name: "B", value: "values" },
        ],
      },
    }),
    namespaceAnnotations: { [key]: '[{"name":"B","value":"namespace"},{"name":"C","value":"namespace"}]' },
    annotations: { [key]: '[{"name":"C","value":"workload"},{"name":"D","value":"workload"}]' },
  });
  expect(values.proxy.additionalEnv).toEqual([
    { name: "A", value: "values" },
    { name: "B", value: "namespace" },
    { name: "C", value: "workload" },
    { name: "D", value: "workload" },
  ]);
  expect(warnings).toEqual([]);
});

test("one unreadable layer of additional environment skips only that layer", () => {
  const key = "config.linkerd.io/proxy-additional-env";
  const { values, warnings } = applyAnnotations({
    values: defaultValues(),
    namespaceAnnotations: { [key]: "{not json" },
    annotations: { [key]: '[{"name":"D","value":"1"}]' },
  });
  expect(values.proxy.additionalEnv).toEqual([{ name: "D", value: "1" }]);
  expect(warnings).toHaveLength(1);
});

test("a close-wait timeout needs the init container to be root, and says so instead of failing the pod", () => {
  const annotations = { "config.linkerd.io/close-wait-timeout": "3600s" };
  expect(applyAnnotations({ values: defaultValues(), annotations }).warnings[0]).toContain("proxyInit.runAsRoot=true");
  const root = applyAnnotations({ values: defaultValues({ proxyInit: { runAsRoot: true } }), annotations });
  expect(root.values.proxyInit.closeWaitTimeoutSecs).toBe(3600);
});

test("a pod inherits listed annotations that it does not set itself", () => {
  const inherited = inheritedAnnotations(
    { "config.linkerd.io/proxy-log-level": "debug" },
    {
      "config.linkerd.io/proxy-log-level": "info",
      "config.linkerd.io/proxy-await": "disabled",
      "config.linkerd.io/enable-gateway": "true",
      "linkerd.io/inject": "ingress",
      "example.com/team": "shop",
    },
  );
  expect(inherited).toEqual({ "config.linkerd.io/proxy-await": "disabled", "linkerd.io/inject": "ingress" });
});

test("parseGoBool() takes Go's spellings and no others", () => {
  expect(["1", "t", "T", "TRUE", "true", "True"].map(parseGoBool)).toEqual(Array(6).fill(true));
  expect(["0", "f", "F", "FALSE", "false", "False"].map(parseGoBool)).toEqual(Array(6).fill(false));
  expect(["", "yes", "tRUE", " true"].map(parseGoBool)).toEqual(Array(4).fill(undefined));
});
