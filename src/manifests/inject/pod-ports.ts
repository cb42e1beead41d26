import type { PodSpec, Probe } from "#kube/types";
import { allContainers } from "./workload.ts";

/**
 * Ports on which a pod's containers are reached: declared ports, and numbered HTTP ports of readiness and liveness
 * probes. Sorted as text and joined by commas, as the proxy's environment carries them.
 */
export function podInboundPorts(spec: PodSpec): string {
  const ports = new Set<string>();
  for (const container of allContainers(spec)) {
    for (const port of container.ports ?? []) ports.add(`${port.containerPort}`);
    for (const probe of [container.readinessProbe, container.livenessProbe]) {
      const port = httpPort(probe);
      if (port) ports.add(`${port}`);
    }
  }
  return [...ports].sort().join(",");
}

function httpPort(probe: Probe | undefined): number | undefined {
  const port: unknown = probe?.httpGet?.port;
  return typeof port === "number" && port > 0 ? port : undefined;
}

/** Those of `ports` that the list of default opaque ports names; a range in that list matches nothing. */
export function defaultOpaque(ports: readonly number[], defaults: string): number[] {
  const listed = new Set(defaults.split(",").map((entry) => entry.trim()));
  return ports.filter((port) => listed.has(`${port}`));
}

/** Every declared container port, in order. */
export function containerPorts(spec: PodSpec): number[] {
  return allContainers(spec).flatMap((container) => (container.ports ?? []).map((port) => port.containerPort));
}
