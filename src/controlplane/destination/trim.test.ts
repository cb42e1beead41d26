import { expect, test } from "bun:test";
import { ANNOTATIONS, LABELS } from "#contracts/labels";
import { KubeClient, type Pod } from "#kube";
import { silentLog } from "#lib/log";
import { type Kept, KubeApi } from "../../../test/support/kube-api.ts";
import { watchCluster } from "./cluster-view.ts";
import { PortSet } from "./port-set.ts";
import { trimPod } from "./trim.ts";
import { translatePod } from "./workload.ts";

const OPTIONS = {
  controlPlaneNs: "linkerd",
  trustDomain: "cluster.local",
  clusterDomain: "cluster.local",
  defaultOpaquePorts: PortSet.parse("3306"),
  enableH2Upgrade: true,
  forceOpaqueTransport: true,
  enableIpv6: true,
  zoneWeights: false,
  http2ClientParams: undefined,
};

/** A meshed pod with much that destination never reads. */
function pod(): Pod {
  const env = [
    { name: "LINKERD2_PROXY_LOG", value: "warn" },
    { name: "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", value: "0.0.0.0:5143" },
    { name: "LINKERD2_PROXY_ADMIN_LISTEN_ADDR", value: "0.0.0.0:5191" },
    { name: "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", value: "roots ".repeat(500) },
  ];
  return {
    metadata: {
      name: "web-1",
      namespace: "shop",
      labels: { app: "web", [LABELS.controlPlaneNs]: "linkerd", [LABELS.proxyDeployment]: "web" },
      annotations: { [ANNOTATIONS.opaquePorts]: "9000", "example.com/notes": "long ".repeat(500) },
    },
    spec: {
      nodeName: "node-1",
      serviceAccountName: "web",
      containers: [{ name: "app", image: "app:1", command: ["run"], ports: [{ name: "http", containerPort: 8080 }] }],
      initContainers: [{ name: "linkerd-proxy", image: "proxy:1", env }],
    },
    status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }], hostIP: "192.168.0.1" },
  } as Pod;
}

test.each([8080, 9000, 3306, 5143, 5191])("trimPod() keeps all that says how port %p is reached", (port) => {
  const address = { ip: "10.0.0.1", port, servers: [], metricLabels: {} };
  const trimmed = translatePod({ ...address, pod: trimPod(pod()) }, OPTIONS);
  expect(trimmed).toEqual(translatePod({ ...address, pod: pod() }, OPTIONS));
  expect(trimmed.tlsIdentity).toBeDefined();
  if (port === 9000) expect(trimmed.protocolHint?.opaqueTransport).toEqual({ inboundPort: 5143 });
});

test("trimPod() lets go of the rest, and of every object that it came with", () => {
  const whole = pod();
  const trimmed = trimPod(whole);
  expect(JSON.stringify(trimmed).length).toBeLessThan(1_000);
  expect(trimmed.metadata.labels).toEqual(whole.metadata.labels!);
  expect(trimmed.metadata.labels).not.toBe(whole.metadata.labels);
  expect(trimmed.status?.podIPs).not.toBe(whole.status?.podIPs);
  expect(trimmed.spec?.containers[0]?.ports).not.toBe(whole.spec?.containers[0]?.ports);
});

test("a pod of any page is found by its addresses, and reached as if it had been kept whole", async () => {
  const api = await KubeApi.start();
  const { pods } = watchCluster(new KubeClient(api.cluster), silentLog);
  try {
    const whole = pod();
    for (let i = 0; i < 600; i++) {
      const status = { ...whole.status, podIP: `10.0.${i >> 8}.${i & 255}`, podIPs: undefined };
      api.put("pods", { ...whole, metadata: { ...whole.metadata, name: `web-${i}` }, status } as unknown as Kept);
    }
    await pods.start().synced;
    expect(pods.byIndex("hostIp", "192.168.0.1")).toHaveLength(600);
    const [last] = pods.byIndex("podIp", "10.0.2.87");
    const address = { ip: "10.0.2.87", port: 9000, servers: [], metricLabels: {} };
    whole.metadata.name = "web-599";
    expect(translatePod({ ...address, pod: last! }, OPTIONS)).toEqual(
      translatePod({ ...address, pod: whole }, OPTIONS),
    );
  } finally {
    pods.stop();
    await api.stop();
  }
});
