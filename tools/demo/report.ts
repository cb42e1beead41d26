import { PORTS } from "#contracts/ports";
import type { Pod } from "#kube";
import type { DemoCluster } from "./cluster.ts";
import type { Linkerd } from "./linkerd.ts";

/** What the demo found; `--json` prints exactly this. */
export interface DemoReport {
  readonly readyMs: number;
  readonly check: {
    readonly passed: number;
    readonly warned: number;
    readonly failed: number;
    readonly ids: readonly string[];
  };
  readonly edges: readonly DemoEdge[];
  readonly stat: readonly DemoStat[];
  readonly sent: Readonly<Record<string, SentCount>>;
  readonly proxies: readonly { readonly pod: string; readonly rssAnonKb: number; readonly pssKb: number }[];
}

export interface DemoEdge {
  readonly source: string;
  readonly destination: string;
  readonly clientId: string;
  readonly serverId: string;
  readonly secured: boolean;
}

export interface DemoStat {
  readonly name: string;
  readonly namespace: string;
  readonly meshed: string;
  /** 0..1: the share of requests that did not fail; 1 when there were none. */
  readonly success: number;
  readonly rps: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

export interface SentCount {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  readonly lost: number;
}

/** All pods should be ready by now: what is not ready within this is reported, not waited for. */
const CHECK_WAIT = "5s";

interface CheckJson {
  readonly categories: readonly {
    readonly checks: readonly {
      readonly id: string;
      readonly result: string;
    }[];
  }[];
}

export async function readCheck(linkerd: Linkerd): Promise<DemoReport["check"]> {
  const { text, errors } = await linkerd.try("check", "--proxy", "--wait", CHECK_WAIT, "-o", "json");
  let parsed: CheckJson;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Error(`linkerd check did not print JSON:\n${text}${errors}`);
  }
  const checks = parsed.categories.flatMap((category) => category.checks);
  const count = (result: string): number => checks.filter((check) => check.result === result).length;
  return {
    passed: count("success"),
    warned: count("warning"),
    failed: count("error"),
    ids: checks.map((check) => check.id),
  };
}

export async function readEdges(linkerd: Linkerd): Promise<DemoEdge[]> {
  type EdgeJson = Record<
    "src" | "src_namespace" | "dst" | "dst_namespace" | "client_id" | "server_id" | "no_tls_reason",
    string
  >;
  const edges = await linkerd.json<EdgeJson[]>("viz", "edges", "deploy", "-A");
  return edges.map((edge) => ({
    source: `${edge.src_namespace}/${edge.src}`,
    destination: `${edge.dst_namespace}/${edge.dst}`,
    clientId: edge.client_id,
    serverId: edge.server_id,
    secured: edge.no_tls_reason === "" && edge.server_id !== "",
  }));
}

export async function readStat(linkerd: Linkerd, namespace: string): Promise<DemoStat[]> {
  type StatJson = {
    namespace: string;
    name: string;
    meshed: string;
    success: number | null;
    rps: number | null;
    latency_ms_p50: number | null;
    latency_ms_p95: number | null;
    latency_ms_p99: number | null;
  };
  const rows = await linkerd.json<StatJson[]>("viz", "stat", "deploy", "-n", namespace, "-t", "10m", "--unmeshed");
  return rows.map((row) => ({
    name: row.name,
    namespace: row.namespace,
    meshed: row.meshed,
    success: row.success ?? 1,
    rps: row.rps ?? 0,
    p50Ms: row.latency_ms_p50,
    p95Ms: row.latency_ms_p95,
    p99Ms: row.latency_ms_p99,
  }));
}

/** Memory as each proxy reports it of itself, and why the others did not. */
export async function readProxies(
  cluster: DemoCluster,
  namespaces: readonly string[],
): Promise<{ proxies: DemoReport["proxies"]; silent: string[] }> {
  const pods = (await Promise.all(namespaces.map((namespace) => cluster.pods(namespace)))).flat().filter(hasProxy);
  const read = await Promise.allSettled(pods.map((pod) => readProxy(cluster, pod)));
  return {
    proxies: read.filter((one) => one.status === "fulfilled").map(({ value }) => value),
    silent: read.filter((one) => one.status === "rejected").map(({ reason }) => (reason as Error).message),
  };
}

async function readProxy(cluster: DemoCluster, pod: Pod): Promise<DemoReport["proxies"][number]> {
  const text = await cluster.httpInPod(pod, PORTS.proxyAdmin, "/metrics");
  const kilobytes = (name: string): number =>
    Math.round(Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)?.[1] ?? 0) / 1024);
  return {
    pod: `${pod.metadata.namespace}/${pod.metadata.name}`,
    rssAnonKb: kilobytes("process_anonymous_memory_bytes"),
    pssKb: kilobytes("process_proportional_memory_bytes"),
  };
}

export function hasProxy(pod: Pod): boolean {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].some(
    ({ name }) => name === "linkerd-proxy",
  );
}

export function isReady({ status }: Pod): boolean {
  return status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false;
}
