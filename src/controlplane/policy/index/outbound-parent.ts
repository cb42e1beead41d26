import { ANNOTATIONS } from "#contracts/labels";
import { parsePortList } from "#manifests/inject";
import type { Metadata } from "#proto/meta";
import type { Backend, FailureAccrual, GrpcRoute_Retry, HttpRoute_Retry } from "#proto/outbound";
import { ipMessage } from "../core/addresses.ts";
import { failureAccrual, loadEstimator, type Setting } from "../core/failure-accrual.ts";
import { defaultMetadata, POLICY_GROUP, resourceMetadata } from "../core/metadata.ts";
import { balancer, forward } from "../core/outbound.ts";
import { grpcRetry, httpRetry, type TimeoutSettings, timeoutSettings } from "../core/route-settings.ts";
import { egressKey, type PolicyConfig, type PolicyObjects, serviceKey } from "./objects.ts";
import type { OutboundTarget } from "./outbound-target.ts";

/** What a port is said to speak. */
export type PortProtocol = "detect" | "http1" | "http2" | "opaque";

/** What routes attach to and default routes lead to: a Service's port, an egress network, or the world outside. */
export interface OutboundParent {
  readonly metadata: Metadata;
  readonly namespace: string;
  readonly port: number;
  /** Under which routes find it; undefined where no route can attach. */
  readonly routeKey: string | undefined;
  readonly protocol: PortProtocol;
  /** Where traffic goes that no route sends elsewhere. */
  readonly backend: Backend;
  /** Names of the default routes, and whether their traffic is refused. */
  readonly defaults: { readonly http: string; readonly grpc: string; readonly tls: string; readonly opaque: string };
  readonly isDenied: boolean;
  /** Egress networks keep their default route behind the user's. */
  readonly keepsDefaults: boolean;
  readonly failureAccrual: FailureAccrual | undefined;
  readonly timeouts: TimeoutSettings | undefined;
  readonly httpRetry: HttpRoute_Retry | undefined;
  readonly grpcRetry: GrpcRoute_Retry | undefined;
  /** Annotations that could not be followed. */
  readonly warnings: readonly string[];
}

type Target<K extends OutboundTarget["kind"]> = Extract<OutboundTarget, { kind: K }>;

/** A Service need not exist: what is asked for by name gets the defaults until it does. */
export function serviceParent(objects: PolicyObjects, config: PolicyConfig, target: Target<"service">): OutboundParent {
  const { namespace, name, port } = target;
  const service = objects.services.get(name, namespace);
  const annotations = service?.metadata.annotations ?? {};
  const appProtocol = service?.spec?.ports?.find((one) => one.port === port)?.appProtocol;
  const settings = parentSettings(annotations);
  const load = loadEstimator(annotations);
  const named = new Map((service?.spec?.ports ?? []).map((one) => [one.name ?? "", one.port]));
  const canHaveRoutes = service && service.spec?.clusterIP !== "None" && service.spec?.type !== "ExternalName";
  return {
    ...settings,
    metadata: resourceMetadata({ group: "core", kind: "Service", name, namespace, port }),
    namespace,
    port,
    routeKey: canHaveRoutes ? serviceKey(namespace, name) : undefined,
    protocol: protocolOf(appProtocol, isOpaque(annotations, config, port, named)),
    backend: balancer({ name, namespace, port }, config.clusterDomain, load.value!),
    defaults: { http: "http", grpc: "grpc", tls: "tls", opaque: "opaq" },
    isDenied: false,
    keepsDefaults: false,
    warnings: [...settings.warnings, ...(load.error ? [load.error] : [])],
  };
}

export function egressParent(config: PolicyConfig, { network, ip, port }: Target<"egress">): OutboundParent {
  const { name, namespace = "", annotations = {} } = network.metadata;
  const metadata = resourceMetadata({ group: POLICY_GROUP, kind: "EgressNetwork", name, namespace, port });
  const isDenied = network.spec.trafficPolicy === "Deny";
  const suffix = isDenied ? "egress-deny" : "egress-allow";
  return {
    ...parentSettings(annotations),
    metadata,
    namespace,
    port,
    routeKey: egressKey(namespace, name),
    protocol: isOpaque(annotations, config, port, new Map()) ? "opaque" : "detect",
    backend: forward(metadata, { ip: ipMessage(ip), port }),
    defaults: { http: `http-${suffix}`, grpc: `grpc-${suffix}`, tls: `tls-${suffix}`, opaque: `tcp-${suffix}` },
    isDenied,
    keepsDefaults: true,
  };
}

/** Addresses outside the cluster that no egress network covers. */
export function outsideParent({ ip, port }: Target<"outside">): OutboundParent {
  const name = "egress-fallback";
  const metadata = defaultMetadata(name);
  return {
    metadata,
    namespace: "",
    port,
    routeKey: undefined,
    protocol: "detect",
    backend: forward(metadata, { ip: ipMessage(ip), port }),
    defaults: { http: name, grpc: name, tls: name, opaque: name },
    isDenied: false,
    keepsDefaults: false,
    failureAccrual: undefined,
    timeouts: undefined,
    httpRetry: undefined,
    grpcRetry: undefined,
    warnings: [],
  };
}

type Annotations = Readonly<Record<string, string>>;
type ParentSettings = Pick<OutboundParent, "failureAccrual" | "timeouts" | "httpRetry" | "grpcRetry" | "warnings">;

/** A group of settings that cannot be read is left out and named; the others hold. */
function parentSettings(annotations: Annotations): ParentSettings {
  const accrual = failureAccrual(annotations);
  const timeouts = timeoutSettings(annotations);
  const http = httpRetry(annotations);
  const grpc = grpcRetry(annotations);
  const all: readonly Setting<unknown>[] = [accrual, timeouts, http, grpc];
  return {
    failureAccrual: accrual.value,
    timeouts: timeouts.value,
    httpRetry: http.value,
    grpcRetry: grpc.value,
    warnings: [...new Set(all.flatMap(({ error }) => (error ? [error] : [])))],
  };
}

function protocolOf(appProtocol: string | undefined, isOpaquePort: boolean): PortProtocol {
  if (!appProtocol) return isOpaquePort ? "opaque" : "detect";
  const word = appProtocol.toLowerCase();
  if (word === "http") return "http1";
  return word === "kubernetes.io/h2c" ? "http2" : "opaque"; // an unknown protocol is not looked into
}

function isOpaque(annotations: Annotations, config: PolicyConfig, port: number, named: Map<string, number>): boolean {
  const text = annotations[ANNOTATIONS.opaquePorts] ?? config.defaultOpaquePorts;
  return parsePortList(text, named).ranges.some(({ first, last }) => first <= port && port <= last);
}
