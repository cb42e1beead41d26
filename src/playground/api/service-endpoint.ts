import type { KubeObject } from "../store/object.ts";
import type { Store } from "../store/store.ts";

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/** An address of a ready pod behind a Service's port, from the store's EndpointSlices; or why there is none. */
export function endpointOf(
  store: Store,
  ref: ServiceRef,
  pick: number,
): { host: string; port: number } | { failure: string } {
  const service = store.get("services", ref.namespace, ref.name);
  if (!service) return { failure: `service "${ref.name}" not found` };
  const ports = (service["spec"] as { ports?: { name?: string; port: number }[] })?.ports ?? [];
  const port = ports.find((candidate) => candidate.port === ref.port);
  if (!port) return { failure: `no service port ${ref.port} found for service "${ref.name}"` };
  const found = store
    .list("endpointslices.discovery.k8s.io", ref.namespace)
    .filter((slice) => slice.metadata.labels?.["kubernetes.io/service-name"] === ref.name)
    .flatMap((slice) => addressesOf(slice, port.name ?? ""));
  if (found.length === 0) return { failure: `no endpoints available for service "${ref.name}"` };
  return found[Math.floor(pick * found.length)]!;
}

function addressesOf(slice: KubeObject, portName: string): { host: string; port: number }[] {
  const { endpoints = [], ports = [] } = slice as unknown as {
    endpoints?: { addresses: string[]; conditions?: { ready?: boolean } }[];
    ports?: { name?: string; port?: number }[];
  };
  const port = ports.find((candidate) => (candidate.name ?? "") === portName)?.port;
  if (port === undefined) return [];
  return endpoints
    .filter((endpoint) => endpoint.conditions?.ready !== false)
    .map((endpoint) => ({ host: endpoint.addresses[0]!, port }));
}
