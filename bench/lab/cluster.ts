import jsonPatch from "fast-json-patch";
import type { Pod } from "#kube/types";
import { injectPatch, readWorkload } from "#manifests/inject";
import { defaultValues } from "#manifests/install";
import type { Kept, KubeApi } from "../../test/support/kube-api.ts";

const NODES = 100;
const ZONES = 3;
export const NAMESPACE = "shop";
const PORT = 8080;

/** The name of a service by its number. */
export function serviceName(index: number): string {
  return `service-${index}`;
}

/** Fills an API server with nodes, services, their slices, and as many meshed pods behind each, as injection makes them. */
export function fillCluster(api: KubeApi, { services, podsEach }: { services: number; podsEach: number }): void {
  api.put("namespaces", { metadata: { name: NAMESPACE } });
  for (let node = 0; node < NODES; node++)
    api.put("nodes", {
      metadata: { name: `node-${node}`, labels: { "topology.kubernetes.io/zone": `zone-${node % ZONES}` } },
    });
  for (let service = 0; service < services; service++) {
    const name = serviceName(service);
    const metadata = { name, namespace: NAMESPACE };
    const clusterIP = `10.96.${service >> 8}.${service & 255}`;
    api.put("services", {
      metadata,
      spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80, targetPort: PORT }] },
    });
    const pods = Array.from({ length: podsEach }, (_, index) => putPod(api, name, service * podsEach + index));
    putSlice(api, name, pods);
  }
}

/** Makes a running, meshed pod of a service. Its number is its address. */
export function putPod(api: KubeApi, service: string, index: number, name = `${service}-7d9f8b-${index}`): Kept {
  const podIP = `10.${16 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  return api.put("pods", {
    ...structuredClone(meshed(service)),
    metadata: { ...meshed(service).metadata, name, namespace: NAMESPACE },
    status: { phase: "Running", podIP, podIPs: [{ ip: podIP }], hostIP: `192.168.0.${index % NODES}` },
  } as Kept);
}

/** Makes these pods the endpoints of a service. */
export function putSlice(api: KubeApi, service: string, pods: readonly Kept[]): void {
  api.put("endpointslices", {
    metadata: { name: `${service}-x`, namespace: NAMESPACE, labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    ports: [{ name: "", port: PORT, protocol: "TCP" }],
    endpoints: pods.map(({ metadata, status }) => ({
      addresses: [(status as NonNullable<Pod["status"]>).podIP],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: "node-1",
      zone: "zone-1",
      targetRef: { kind: "Pod", name: metadata.name, namespace: NAMESPACE, uid: metadata.uid },
    })),
  } as unknown as Kept);
}

let template: { service: string; pod: Pod } | undefined;

/** A pod of the service with its proxy, all its settings included: what an API server sends is mostly those. */
function meshed(service: string): Pod {
  if (template?.service === service) return template.pod;
  const bare = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { labels: { app: service, "pod-template-hash": "7d9f8b" }, annotations: {} },
    spec: {
      serviceAccountName: service,
      nodeName: "node-1",
      containers: [{ name: "app", image: "app:1", ports: [{ containerPort: PORT }], resources: {} }],
    },
  };
  const { patch } = injectPatch({
    workload: readWorkload(bare)!,
    values: defaultValues({ identityTrustAnchorsPEM: "roots", linkerdVersion: "bench" }),
    controlPlaneNs: "linkerd",
    namespace: NAMESPACE,
    namespaceAnnotations: {},
    owner: { kind: "deployment", name: service },
    createdBy: "linkerd/proxy-injector bench",
  });
  const pod = jsonPatch.applyPatch(bare as object, structuredClone(patch) as never).newDocument as Pod;
  template = { service, pod };
  return pod;
}
