import { ALL_KINDS } from "#contracts/resource-kinds";
import { type Pod, parseSelector } from "#kube/types";
import type { BasicStats, Resource, StatSummaryRequest, StatTable, StatTable_PodGroup_Row, TcpStats } from "#proto/viz";
import { type Cluster, isMeshed, Ownership } from "./cluster.ts";
import { kindLabel } from "./kind-label.ts";
import { kindOf, RequestError, windowOf } from "./request.ts";
import { equal, type Matcher, type MetricsSource, present, type Sample } from "./source.ts";

export interface StatContext {
  readonly cluster: Cluster;
  readonly source: MetricsSource;
  readonly controlPlaneNs: string;
}

const POD_OWNERS: ReadonlySet<string> = new Set([
  "cronjob",
  "daemonset",
  "deployment",
  "job",
  "namespace",
  "pod",
  "replicaset",
  "replicationcontroller",
  "statefulset",
]);

/** Golden metrics of what the selector names: one table per kind. Throws RequestError for what cannot be asked. */
export async function statSummary(request: StatSummaryRequest, context: StatContext): Promise<StatTable[]> {
  const kind = kindOf(request.selector?.resource?.type);
  refuse(request);
  const kinds = kind === "all" ? ALL_KINDS : [kind];
  return Promise.all(kinds.map((one) => tableOf(one, request, context)));
}

function refuse({ outbound }: StatSummaryRequest): void {
  if (outbound?.$case !== "toResource" && outbound?.$case !== "fromResource") return;
  const other = kindOf(outbound.value.type);
  if (other === "all") throw new RequestError('"all" cannot be used with --to or --from: name one kind');
  if (outbound.$case === "fromResource" && other === "service") {
    throw new RequestError("A service cannot be the source of traffic: name what runs behind it, like deploy/web");
  }
}

async function tableOf(kind: string, request: StatSummaryRequest, context: StatContext): Promise<StatTable> {
  const names = namesOf(kind, request, context.cluster);
  const query = queryOf(kind, request);
  const windowMs = windowOf(request.timeWindow);
  const stats = request.skipStats ? new Map() : await readBasic(query, windowMs, context.source);
  const tcp = request.tcpStats ? await readTcp(query, windowMs, context.source) : new Map();
  const isFiltered = request.outbound?.$case === "toResource" || request.outbound?.$case === "fromResource";
  const pods = podsByObject(kind, context.cluster);

  const rows: StatTable_PodGroup_Row[] = [];
  for (const { namespace, name } of names) {
    const key = kind === "namespace" ? name : `${namespace}/${name}`;
    if (isFiltered && !stats.has(key) && !tcp.has(key)) continue;
    const own = pods.get(key) ?? [];
    const counts = countPods(own, context.controlPlaneNs);
    rows.push({
      resource: { namespace, type: kind, name },
      timeWindow: request.timeWindow,
      status: kind === "pod" ? (own[0]?.status?.phase ?? "") : "",
      meshedPodCount: BigInt(counts.meshed),
      runningPodCount: BigInt(counts.running),
      failedPodCount: BigInt(counts.failed),
      stats: stats.get(key),
      tcpStats: tcp.get(key),
      tsStats: undefined,
      srvStats: undefined,
      errorsByPod: {},
    });
  }
  return { table: { $case: "podGroup", value: { rows } } };
}

/** The objects that the selector names, sorted. */
function namesOf(kind: string, request: StatSummaryRequest, cluster: Cluster): { namespace: string; name: string }[] {
  const wanted = request.selector?.resource ?? { namespace: "", type: kind, name: "" };
  if (!POD_OWNERS.has(kind) && kind !== "service") {
    throw new RequestError(`Cannot give metrics of the kind ${kind} yet: wanted a workload, pod, namespace or service`);
  }
  const selects = parseSelector(request.selector?.labelSelector ?? "");
  return cluster
    .objects(kind)
    .filter(({ metadata }) => wanted.name === "" || metadata.name === wanted.name)
    .filter(
      ({ metadata }) => kind === "namespace" || wanted.namespace === "" || metadata.namespace === wanted.namespace,
    )
    .filter(({ metadata }) => selects(metadata.labels ?? {}))
    .filter((object) => kind !== "pod" || !isOver(object as Pod))
    .map(({ metadata }) => ({ namespace: metadata.namespace ?? "", name: metadata.name ?? "" }))
    .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
}

interface StatQuery {
  readonly matchers: readonly Matcher[];
  /** The labels whose values name the row: namespace (except for namespaces), then the object. */
  readonly by: readonly string[];
  readonly peer: "src" | "dst";
}

/**
 * Plain: what came in to the objects. `--to`: what they sent to the other. `--from`: what the other sent to them.
 * Services have no proxies: theirs is what clients sent to them.
 */
function queryOf(kind: string, request: StatSummaryRequest): StatQuery {
  const own = request.selector?.resource ?? { namespace: "", type: kind, name: "" };
  const { outbound } = request;
  const isDst = kind === "service" || outbound?.$case === "fromResource";
  const prefix = isDst ? "dst_" : "";
  const label = `${prefix}${kindLabel(kind)}`;
  const matchers: Matcher[] = [
    equal("direction", isDst || outbound?.$case === "toResource" ? "outbound" : "inbound"),
    ...named(prefix, own),
    present(label),
  ];
  if (outbound?.$case === "toResource") matchers.push(...named(kind === "service" ? "" : "dst_", outbound.value));
  if (outbound?.$case === "fromResource") matchers.push(...named("", outbound.value));
  const by = kind === "namespace" ? [label] : [`${prefix}namespace`, label];
  return { matchers, by, peer: isDst || outbound?.$case === "toResource" ? "dst" : "src" };
}

function named(prefix: string, { namespace, type, name }: Resource): Matcher[] {
  const kind = kindOf(type);
  const matchers: Matcher[] = [];
  if (name !== "") matchers.push(equal(`${prefix}${kindLabel(kind)}`, name));
  if (namespace !== "" && kind !== "namespace") matchers.push(equal(`${prefix}namespace`, namespace));
  return matchers;
}

const QUANTILES = [0.5, 0.95, 0.99] as const;

async function readBasic(query: StatQuery, windowMs: number, source: MetricsSource): Promise<Map<string, BasicStats>> {
  const { matchers, by } = query;
  const latency = { metric: "response_latency_ms_bucket", matchers };
  const [responses, ...latencies] = await Promise.all([
    source.increase({ metric: "response_total", matchers }, windowMs, [...by, "classification"]),
    ...QUANTILES.map((q) => source.quantile(q, latency, windowMs, by)),
  ]);
  const stats = new Map<string, BasicStats>();
  for (const sample of responses) {
    const row = rowOf(stats, keyOf(sample, by), emptyStats);
    if (sample.labels.classification === "success") row.successCount += toCount(sample.value);
    else row.failureCount += toCount(sample.value);
  }
  for (const [index, field] of (["latencyMsP50", "latencyMsP95", "latencyMsP99"] as const).entries()) {
    for (const sample of latencies[index]) {
      const row = stats.get(keyOf(sample, by));
      if (row) row[field] = toCount(sample.value);
    }
  }
  return stats;
}

async function readTcp(query: StatQuery, windowMs: number, source: MetricsSource): Promise<Map<string, TcpStats>> {
  const { by } = query;
  const matchers = [...query.matchers, equal("peer", query.peer)];
  const [open, read, written] = await Promise.all([
    source.current({ metric: "tcp_open_connections", matchers }, by),
    source.increase({ metric: "tcp_read_bytes_total", matchers }, windowMs, by),
    source.increase({ metric: "tcp_write_bytes_total", matchers }, windowMs, by),
  ]);
  const stats = new Map<string, TcpStats>();
  const fields = [
    ["openConnections", open],
    ["readBytesTotal", read],
    ["writeBytesTotal", written],
  ] as const;
  for (const [field, samples] of fields) {
    for (const sample of samples) rowOf(stats, keyOf(sample, by), emptyTcp)[field] = toCount(sample.value);
  }
  return stats;
}

function keyOf({ labels }: Sample, by: readonly string[]): string {
  return by.map((label) => labels[label] ?? "").join("/");
}

function rowOf<T>(rows: Map<string, T>, key: string, make: () => T): T {
  const row = rows.get(key) ?? make();
  rows.set(key, row);
  return row;
}

function emptyStats(): BasicStats {
  return {
    successCount: 0n,
    failureCount: 0n,
    latencyMsP50: 0n,
    latencyMsP95: 0n,
    latencyMsP99: 0n,
    actualSuccessCount: 0n,
    actualFailureCount: 0n,
  };
}

function emptyTcp(): TcpStats {
  return { openConnections: 0n, readBytesTotal: 0n, writeBytesTotal: 0n };
}

/** Rounded, never negative; what is not a number counts as nothing. */
function toCount(value: number): bigint {
  return Number.isFinite(value) && value > 0 ? BigInt(Math.round(value)) : 0n;
}

function podsByObject(kind: string, cluster: Cluster): Map<string, Pod[]> {
  const byObject = new Map<string, Pod[]>();
  if (!POD_OWNERS.has(kind)) return byObject;
  const ownership = new Ownership(cluster);
  for (const pod of cluster.pods()) {
    const owner = ownership.ownersOf(pod).find((one) => one.kind === kind);
    if (!owner) continue;
    const key = kind === "namespace" ? owner.name : `${pod.metadata.namespace}/${owner.name}`;
    rowOf<Pod[]>(byObject, key, () => []).push(pod);
  }
  return byObject;
}

function countPods(pods: readonly Pod[], controlPlaneNs: string): { meshed: number; running: number; failed: number } {
  const running = pods.filter((pod) => !isOver(pod));
  return {
    running: running.length,
    meshed: running.filter((pod) => isMeshed(pod, controlPlaneNs)).length,
    failed: pods.filter((pod) => pod.status?.phase === "Failed").length,
  };
}

function isOver(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}
