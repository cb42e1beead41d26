/** Every annotation that shapes a workload's proxy, and which of them a pod takes over from its namespace. */
import { ANNOTATIONS, CONFIG_PREFIX } from "#contracts/labels";

/** Configuration keys after `config.linkerd.io/` that a pod inherits from its namespace when it does not set them itself. */
const INHERITABLE_CONFIG = [
  "admin-port",
  "control-port",
  "enable-debug-sidecar",
  "enable-external-profiles",
  "image-pull-policy",
  "inbound-port",
  "outbound-port",
  "pod-inbound-ports",
  "proxy-cpu-limit",
  "proxy-cpu-request",
  "proxy-image",
  "proxy-admin-shutdown",
  "proxy-log-format",
  "proxy-log-level",
  "proxy-log-http-headers",
  "proxy-memory-limit",
  "proxy-memory-request",
  "proxy-ephemeral-storage-limit",
  "proxy-ephemeral-storage-request",
  "proxy-uid",
  "proxy-gid",
  "proxy-version",
  "proxy-require-identity-inbound-ports",
  "skip-inbound-ports",
  "opaque-ports",
  "skip-outbound-ports",
  "proxy-metrics-hostname-labels",
  "proxy-outbound-connect-timeout",
  "proxy-inbound-connect-timeout",
  "proxy-await",
  "default-inbound-policy",
  "skip-subnets",
  "access-log",
  "shutdown-grace-period",
  "proxy-outbound-discovery-cache-unused-timeout",
  "proxy-inbound-discovery-cache-unused-timeout",
  "proxy-disable-outbound-protocol-detect-timeout",
  "proxy-disable-inbound-protocol-detect-timeout",
  "proxy-enable-native-sidecar",
  "proxy-additional-env",
] as const;

/** Keys that count only when the pod itself carries them. */
const POD_ONLY_CONFIG = [
  "proxy-cpu-ratio-limit",
  "enable-gateway",
  "close-wait-timeout",
  "debug-image",
  "debug-image-version",
  "debug-image-pull-policy",
] as const;

const ALPHA_PREFIX = "config.alpha.linkerd.io/";
const BETA_PREFIX = "config.beta.linkerd.io/";

/** A key after `config.linkerd.io/` that the injector knows. */
export type ConfigKey = (typeof INHERITABLE_CONFIG)[number] | (typeof POD_ONLY_CONFIG)[number];

/** The annotation's full name. */
export function configAnnotation(key: ConfigKey): string {
  return CONFIG_PREFIX + key;
}

export const ALPHA_WAIT_BEFORE_EXIT = `${ALPHA_PREFIX}proxy-wait-before-exit-seconds`;
/** Most trusted first: the first one present decides, even when it cannot be read. */
export const NATIVE_SIDECAR_ANNOTATIONS = [
  `${CONFIG_PREFIX}proxy-enable-native-sidecar`,
  `${BETA_PREFIX}proxy-enable-native-sidecar`,
  `${ALPHA_PREFIX}proxy-enable-native-sidecar`,
] as const;
/** `resource.opentelemetry.io/<k>: v` adds trace attribute k. */
export const TRACE_ATTRIBUTE_PREFIX = "resource.opentelemetry.io/";

/** Full names of everything under `config.linkerd.io/` that the injector knows. */
export const CONFIG_ANNOTATIONS: readonly string[] = [...INHERITABLE_CONFIG, ...POD_ONLY_CONFIG].map(configAnnotation);

/** Full names of what a pod inherits from its namespace. */
export const INHERITABLE_ANNOTATIONS: readonly string[] = [
  ...INHERITABLE_CONFIG.map(configAnnotation),
  ALPHA_WAIT_BEFORE_EXIT,
  `${ALPHA_PREFIX}proxy-enable-native-sidecar`,
  ANNOTATIONS.inject,
];

/** Full names of the annotations that appear as labels of the injector's counters (the alpha ones do not). */
export const METRIC_ANNOTATIONS: readonly string[] = INHERITABLE_CONFIG.map(configAnnotation);

/** What a pod would inherit from `fromNamespace`: keys of the list that it does not have itself. */
export function inheritedAnnotations(
  ofPod: Readonly<Record<string, string>>,
  fromNamespace: Readonly<Record<string, string>>,
): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const key of INHERITABLE_ANNOTATIONS) {
    const value = fromNamespace[key];
    if (value !== undefined && ofPod[key] === undefined) inherited[key] = value;
  }
  return inherited;
}
