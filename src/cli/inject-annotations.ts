import { configAnnotation } from "#manifests/inject";
import type { Values } from "#manifests/install";

type ConfigKey = Parameters<typeof configAnnotation>[0];

/** Which annotation carries which value from the command line to the injector. */
const CARRIERS: readonly (readonly [ConfigKey, (values: Values) => unknown])[] = [
  ["proxy-version", ({ proxy }) => proxy.image.version],
  ["skip-inbound-ports", ({ proxyInit }) => proxyInit.ignoreInboundPorts],
  ["skip-outbound-ports", ({ proxyInit }) => proxyInit.ignoreOutboundPorts],
  ["admin-port", ({ proxy }) => proxy.ports.admin],
  ["control-port", ({ proxy }) => proxy.ports.control],
  ["inbound-port", ({ proxy }) => proxy.ports.inbound],
  ["outbound-port", ({ proxy }) => proxy.ports.outbound],
  ["opaque-ports", ({ proxy }) => proxy.opaquePorts],
  ["proxy-image", ({ proxy }) => proxy.image.name],
  ["debug-image", ({ debugContainer }) => debugContainer.image.name],
  ["debug-image-version", ({ debugContainer }) => debugContainer.image.version],
  ["image-pull-policy", ({ imagePullPolicy }) => imagePullPolicy],
  ["proxy-uid", ({ proxy }) => proxy.uid],
  ["proxy-gid", ({ proxy }) => (proxy.gid >= 0 ? proxy.gid : undefined)],
  ["proxy-log-level", ({ proxy }) => proxy.logLevel],
  ["proxy-log-format", ({ proxy }) => proxy.logFormat],
  ["proxy-require-identity-inbound-ports", ({ proxy }) => proxy.requireIdentityOnInboundPorts],
  ["enable-external-profiles", ({ proxy }) => proxy.enableExternalProfiles],
  ["proxy-metrics-hostname-labels", ({ proxy }) => proxy.metrics.hostnameLabels],
  ["proxy-cpu-request", ({ proxy }) => proxy.resources.cpu.request],
  ["proxy-cpu-limit", ({ proxy }) => proxy.resources.cpu.limit],
  ["proxy-memory-request", ({ proxy }) => proxy.resources.memory.request],
  ["proxy-memory-limit", ({ proxy }) => proxy.resources.memory.limit],
  ["proxy-await", ({ proxy }) => (proxy.await ? "enabled" : "disabled")],
  ["default-inbound-policy", ({ proxy }) => proxy.defaultInboundPolicy],
  ["access-log", ({ proxy }) => proxy.accessLog],
  ["shutdown-grace-period", ({ proxy }) => proxy.shutdownGracePeriod],
  ["proxy-enable-native-sidecar", ({ proxy }) => proxy.nativeSidecar],
];

/** Annotations for every value that is not as the cluster has it; what is the same needs none. */
export function overrideAnnotations(base: Values, wanted: Values): Record<string, string> {
  const annotations: Record<string, string> = {};
  for (const [key, read] of CARRIERS) {
    const value = read(wanted);
    if (value === undefined || value === read(base)) continue;
    annotations[configAnnotation(key)] = String(value);
  }
  return annotations;
}
