import type { EnvVar } from "#kube/types";
import { parseDuration } from "#lib/duration";
import type { Values } from "../values.ts";
import { ALPHA_WAIT_BEFORE_EXIT, type ConfigKey, configAnnotation, NATIVE_SIDECAR_ANNOTATIONS } from "./annotations.ts";
import { formatPortList, parsePortList } from "./port-list.ts";

/** The values as one workload's annotations change them, and what could not be followed. */
export interface Overridden {
  readonly values: Values;
  readonly hasDebugContainer: boolean;
  /** One sentence per annotation that was not understood; the value below it stays in force. */
  readonly warnings: readonly string[];
}

export interface OverrideInput {
  readonly values: Values;
  /** The workload's annotations, inherited ones included. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Only for `proxy-additional-env`, which the workload's own annotation extends instead of hiding. */
  readonly namespaceAnnotations?: Readonly<Record<string, string>>;
  /** Container port names that `opaque-ports` may use. */
  readonly namedPorts?: ReadonlyMap<string, number>;
}

/** Applies a workload's annotations to the mesh's values. The values given are not changed. */
export function applyAnnotations(input: OverrideInput): Overridden {
  const draft: Draft = {
    values: structuredClone(input.values),
    hasDebugContainer: false,
    namedPorts: input.namedPorts ?? new Map(),
    warnings: [],
  };
  for (const [key, override] of Object.entries(OVERRIDES) as [ConfigKey, Override][]) {
    const text = input.annotations[configAnnotation(key)];
    if (text !== undefined) attempt(draft, configAnnotation(key), text, override);
  }
  const wait = input.annotations[ALPHA_WAIT_BEFORE_EXIT];
  if (wait !== undefined) attempt(draft, ALPHA_WAIT_BEFORE_EXIT, wait, waitBeforeExit);
  const native = NATIVE_SIDECAR_ANNOTATIONS.find((name) => input.annotations[name] !== undefined);
  if (native) attempt(draft, native, input.annotations[native] ?? "", flag("nativeSidecar"));
  mergeEnvironment(draft, input);
  draft.values.proxy.isIngress = input.annotations["linkerd.io/inject"] === "ingress";
  return draft;
}

interface Draft {
  readonly values: Values;
  hasDebugContainer: boolean;
  readonly namedPorts: ReadonlyMap<string, number>;
  readonly warnings: string[];
}

/** Changes the draft, or returns what was wanted instead. */
type Override = (draft: Draft, text: string) => string | undefined;

function attempt(draft: Draft, annotation: string, text: string, override: Override): void {
  const wanted = override(draft, text);
  if (wanted !== undefined) draft.warnings.push(`Ignored annotation ${annotation}: "${text}": must be ${wanted}`);
}

// Keys without an entry are read elsewhere: pod-inbound-ports is always computed, the native sidecar and additional
// environment have their own precedence, below.
const OVERRIDES: Partial<Record<ConfigKey, Override>> = {
  "proxy-image": ({ values }, text) => void (values.proxy.image.name = text),
  "proxy-version": ({ values }, text) => void (values.proxy.image.version = text),
  "image-pull-policy": setPullPolicy,
  "debug-image": ({ values }, text) => void (values.debugContainer.image.name = text),
  "debug-image-version": ({ values }, text) => void (values.debugContainer.image.version = text),
  "debug-image-pull-policy": ({ values }, text) => void (values.debugContainer.image.pullPolicy = text),
  "control-port": port("control"),
  "inbound-port": port("inbound"),
  "admin-port": port("admin"),
  "outbound-port": port("outbound"),
  "skip-inbound-ports": portList((values, list) => (values.proxyInit.ignoreInboundPorts = list)),
  "skip-outbound-ports": portList((values, list) => (values.proxyInit.ignoreOutboundPorts = list)),
  "opaque-ports": portList((values, list) => (values.proxy.opaquePorts = list)),
  "proxy-require-identity-inbound-ports": portList(
    (values, list) => (values.proxy.requireIdentityOnInboundPorts = list),
  ),
  "skip-subnets": subnets,
  "proxy-cpu-request": cpu("request"),
  "proxy-cpu-limit": cpu("limit"),
  "proxy-cpu-ratio-limit": cpuRatio,
  "proxy-memory-request": quantity("memory", "request"),
  "proxy-memory-limit": quantity("memory", "limit"),
  "proxy-ephemeral-storage-request": quantity("ephemeral-storage", "request"),
  "proxy-ephemeral-storage-limit": quantity("ephemeral-storage", "limit"),
  "proxy-uid": integer((values, id) => (values.proxy.uid = id)),
  "proxy-gid": integer((values, id) => (values.proxy.gid = id)),
  "proxy-admin-shutdown": enabled((values, on) => (values.proxy.enableShutdownEndpoint = on)),
  "proxy-await": enabled((values, on) => (values.proxy.await = on)),
  "proxy-log-level": ({ values }, text) => void (values.proxy.logLevel = text),
  "proxy-log-format": oneOf(["plain", "json"], (values, format) => (values.proxy.logFormat = format)),
  "proxy-log-http-headers": oneOf(["insecure", "off", ""], (values, mode) => (values.proxy.logHTTPHeaders = mode)),
  "access-log": oneOf(["apache", "json", ""], (values, format) => (values.proxy.accessLog = format)),
  "enable-external-profiles": flag("enableExternalProfiles"),
  "enable-gateway": flag("isGateway"),
  "proxy-metrics-hostname-labels": boolean((draft, on) => (draft.values.proxy.metrics.hostnameLabels = on)),
  "enable-debug-sidecar": boolean((draft, on) => (draft.hasDebugContainer = on)),
  "proxy-outbound-connect-timeout": duration("ms", (values, text) => (values.proxy.outboundConnectTimeout = text)),
  "proxy-inbound-connect-timeout": duration("ms", (values, text) => (values.proxy.inboundConnectTimeout = text)),
  "proxy-outbound-discovery-cache-unused-timeout": duration(
    "s",
    (values, text) => (values.proxy.outboundDiscoveryCacheUnusedTimeout = text),
  ),
  "proxy-inbound-discovery-cache-unused-timeout": duration(
    "s",
    (values, text) => (values.proxy.inboundDiscoveryCacheUnusedTimeout = text),
  ),
  "proxy-disable-outbound-protocol-detect-timeout": flag("disableOutboundProtocolDetectTimeout"),
  "proxy-disable-inbound-protocol-detect-timeout": flag("disableInboundProtocolDetectTimeout"),
  "shutdown-grace-period": duration("ms", (values, text) => (values.proxy.shutdownGracePeriod = text)),
  "close-wait-timeout": closeWait,
  "default-inbound-policy": oneOf(
    ["all-unauthenticated", "all-authenticated", "cluster-unauthenticated", "cluster-authenticated", "deny", "audit"],
    (values, policy) => (values.proxy.defaultInboundPolicy = policy),
  ),
};

function setPullPolicy({ values }: Draft, text: string): undefined {
  values.imagePullPolicy = text;
  values.proxy.image.pullPolicy = text;
  values.proxyInit.image.pullPolicy = text;
  values.debugContainer.image.pullPolicy = text;
}

function port(which: keyof Values["proxy"]["ports"]): Override {
  return ({ values }, text) => {
    const number = /^\d{1,5}$/.test(text.trim()) ? Number(text) : 0;
    if (number < 1 || number > 65535) return "a port, 1 to 65535";
    values.proxy.ports[which] = number;
    return undefined;
  };
}

function portList(set: (values: Values, list: string) => void): Override {
  return (draft, text) => {
    const list = parsePortList(text, draft.namedPorts);
    set(draft.values, formatPortList(list));
    if (list.bad.length === 0) return undefined;
    return `ports or ranges like 80,1000-2000; the other entries are kept, these are not: "${list.bad.join('", "')}"`;
  };
}

function subnets({ values }: Draft, text: string): string | undefined {
  const entries = text.split(",").map((entry) => entry.trim());
  const good = entries.filter((entry) => /^[0-9a-fA-F.:]+\/\d{1,3}$/.test(entry));
  values.proxyInit.skipSubnets = good.join(",");
  return good.length === entries.length || text === ""
    ? undefined
    : "networks like 10.0.0.0/8; bad entries are left out";
}

const QUANTITY = /^\+?(?<number>\d+(\.\d*)?|\.\d+)(?<unit>[eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i)?$/;

function quantity(resource: "cpu" | "memory" | "ephemeral-storage", bound: "request" | "limit"): Override {
  return ({ values }, text) => {
    if (!QUANTITY.test(text)) return "a Kubernetes quantity like 100m or 64Mi";
    values.proxy.resources[resource][bound] = text;
    return undefined;
  };
}

/** A CPU amount also says how many workers a proxy starts with (request) and may grow to (limit): whole cores, rounded up. */
function cpu(bound: "request" | "limit"): Override {
  return (draft, text) => {
    const wanted = quantity("cpu", bound)(draft, text);
    if (wanted !== undefined) return wanted;
    const workers = draft.values.proxy.runtime.workers;
    if (bound === "request") workers.minimum = wholeCores(text);
    else workers.maximum = wholeCores(text);
    return undefined;
  };
}

const DECIMAL_UNITS: Readonly<Record<string, number>> = { n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9 };

function wholeCores(text: string): number {
  const { number = "0", unit = "" } = QUANTITY.exec(text)?.groups ?? {};
  const scaled = /^[eE]/.test(unit) ? Number(number + unit) : Number(number) * (DECIMAL_UNITS[unit] ?? 1);
  return Math.ceil(Number(scaled.toFixed(9))); // 9 digits: 3 × 0.1 must not become a fourth worker
}

function cpuRatio({ values }: Draft, text: string): string | undefined {
  const ratio = text.trim() === "" ? Number.NaN : Number(text);
  if (!(ratio > 0 && ratio < 1)) return "a number between 0 and 1";
  values.proxy.runtime.workers.maximumCPURatio = ratio;
  return undefined;
}

function integer(set: (values: Values, value: number) => void): Override {
  return ({ values }, text) => {
    if (!/^[+-]?\d{1,15}$/.test(text)) return "a whole number";
    set(values, Number(text));
    return undefined;
  };
}

function enabled(set: (values: Values, on: boolean) => void): Override {
  return oneOf(["enabled", "disabled"], (values, word) => set(values, word === "enabled"));
}

function oneOf(words: readonly string[], set: (values: Values, word: string) => void): Override {
  return ({ values }, text) => {
    if (!words.includes(text)) return `one of ${words.filter((word) => word !== "").join(", ")}`;
    set(values, text);
    return undefined;
  };
}

type ProxyFlag =
  | "enableExternalProfiles"
  | "isGateway"
  | "nativeSidecar"
  | "disableOutboundProtocolDetectTimeout"
  | "disableInboundProtocolDetectTimeout";

function flag(name: ProxyFlag): Override {
  return boolean((draft, on) => (draft.values.proxy[name] = on));
}

function boolean(set: (draft: Draft, on: boolean) => void): Override {
  return (draft, text) => {
    const on = parseGoBool(text);
    if (on === undefined) return "true or false";
    set(draft, on);
    return undefined;
  };
}

/** The spellings that Go's ParseBool takes. */
export function parseGoBool(text: string): boolean | undefined {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}

/** The proxy reads one integer and one unit, so sums like 1m30s are converted here. */
function duration(unit: "ms" | "s", set: (values: Values, text: string) => void): Override {
  return ({ values }, text) => {
    const { value: ms } = parseDuration(text);
    if (ms === undefined) return "a duration like 500ms or 1m30s";
    set(values, `${Math.floor(unit === "ms" ? ms : ms / 1_000)}${unit}`);
    return undefined;
  };
}

function closeWait({ values }: Draft, text: string): string | undefined {
  const { value: ms } = parseDuration(text);
  if (ms === undefined) return "a duration like 3600s";
  if (!values.proxyInit.runAsRoot) return "used with proxyInit.runAsRoot=true in the mesh's values";
  values.proxyInit.closeWaitTimeoutSecs = Math.floor(ms / 1_000);
  return undefined;
}

function waitBeforeExit({ values }: Draft, text: string): string | undefined {
  if (!/^\d{1,9}$/.test(text)) return "a number of seconds";
  values.proxy.waitBeforeExitSeconds = Number(text);
  return undefined;
}

/** Variables by name: the values' first, a namespace's over them, the workload's over those; new names go to the end. */
function mergeEnvironment(draft: Draft, { annotations, namespaceAnnotations = {} }: OverrideInput): void {
  const key = configAnnotation("proxy-additional-env");
  const layers = new Set([namespaceAnnotations[key], annotations[key]]);
  for (const text of layers) {
    if (text !== undefined) attempt(draft, key, text, addEnvironment);
  }
}

function addEnvironment({ values }: Draft, text: string): string | undefined {
  const added = parseEnvironment(text);
  if (!added) return 'a JSON list like [{"name":"KEY","value":"text"}]';
  const merged: EnvVar[] = [...((values.proxy.additionalEnv ?? []) as unknown as EnvVar[])];
  for (const variable of added) {
    const at = merged.findIndex((other) => other.name === variable.name);
    if (at < 0) merged.push(variable);
    else merged[at] = variable;
  }
  values.proxy.additionalEnv = merged as unknown as Record<string, unknown>[];
  return undefined;
}

function parseEnvironment(text: string): EnvVar[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    const isList = Array.isArray(list) && list.every((item) => typeof item?.name === "string" && item.name !== "");
    return isList ? (list as EnvVar[]) : undefined;
  } catch {
    return undefined; // the caller says what was wanted
  }
}
