import { shortKind } from "#contracts/resource-kinds";
import type { StatTable } from "#proto/viz";

/** One line of `viz stat`; numbers are undefined when nothing came in the window. */
export interface StatRow {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: string;
  readonly meshedPodCount: number;
  readonly runningPodCount: number;
  /** 0..1 */
  readonly success: number | undefined;
  readonly rps: number | undefined;
  readonly latencyMsP50: number | undefined;
  readonly latencyMsP95: number | undefined;
  readonly latencyMsP99: number | undefined;
  readonly tcpOpenConnections: number | undefined;
  readonly tcpReadBytesRate: number | undefined;
  readonly tcpWriteBytesRate: number | undefined;
}

/** Rows from tables, rates from counts; workloads without a meshed pod are left out unless asked for. */
export function statRows(tables: readonly StatTable[], windowMs: number, showsUnmeshed: boolean): StatRow[] {
  const rows: StatRow[] = [];
  const seconds = windowMs / 1_000;
  for (const { table } of tables) {
    for (const row of table?.value.rows ?? []) {
      const kind = row.resource?.type ?? "";
      if (kind !== "service" && row.meshedPodCount === 0n && !showsUnmeshed) continue;
      const total = row.stats ? Number(row.stats.successCount + row.stats.failureCount) : 0;
      const { stats, tcpStats } = row;
      rows.push({
        kind,
        namespace: row.resource?.namespace ?? "",
        name: row.resource?.name ?? "",
        status: row.status,
        meshedPodCount: Number(row.meshedPodCount),
        runningPodCount: Number(row.runningPodCount),
        success: stats && total > 0 ? Number(stats.successCount) / total : undefined,
        rps: total > 0 ? total / seconds : undefined,
        latencyMsP50: stats && total > 0 ? Number(stats.latencyMsP50) : undefined,
        latencyMsP95: stats && total > 0 ? Number(stats.latencyMsP95) : undefined,
        latencyMsP99: stats && total > 0 ? Number(stats.latencyMsP99) : undefined,
        tcpOpenConnections: tcpStats && Number(tcpStats.openConnections),
        tcpReadBytesRate: tcpStats && Number(tcpStats.readBytesTotal) / seconds,
        tcpWriteBytesRate: tcpStats && Number(tcpStats.writeBytesTotal) / seconds,
      });
    }
  }
  return rows;
}

export interface StatTableOptions {
  readonly showsNamespace: boolean;
  readonly isWide: boolean;
}

export interface TextTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** How many columns in front name things and are left-aligned. */
  readonly leftColumns: number;
}

/** The text of one kind's rows. `prefixesKind` puts the short kind before names when several kinds are shown. */
export function statText(
  kind: string,
  rows: readonly StatRow[],
  options: StatTableOptions,
  prefixesKind: boolean,
): TextTable {
  const isPod = kind === "pod";
  const header = [
    ...(options.showsNamespace ? ["NAMESPACE"] : []),
    "NAME",
    ...(isPod ? ["STATUS"] : []),
    "MESHED",
    "SUCCESS",
    "RPS",
    "LATENCY_P50",
    "LATENCY_P95",
    "LATENCY_P99",
    "TCP_CONN",
    ...(options.isWide ? ["READ_BYTES/SEC", "WRITE_BYTES/SEC"] : []),
  ];
  const lines = rows.map((row) => [
    ...(options.showsNamespace ? [row.namespace] : []),
    prefixesKind ? `${shortKind(kind)}/${row.name}` : row.name,
    ...(isPod ? [row.status] : []),
    kind === "service" ? "-" : `${row.meshedPodCount}/${row.runningPodCount}`,
    shown(row.success, (value) => `${(value * 100).toFixed(2)}%`),
    shown(row.rps, (value) => `${value.toFixed(1)}rps`),
    ...[row.latencyMsP50, row.latencyMsP95, row.latencyMsP99].map((ms) => shown(ms, (value) => `${value}ms`)),
    shown(row.tcpOpenConnections, String),
    ...(options.isWide
      ? [row.tcpReadBytesRate, row.tcpWriteBytesRate].map((rate) => shown(rate, (value) => `${value.toFixed(1)}B/s`))
      : []),
  ]);
  return { header, rows: lines, leftColumns: (options.showsNamespace ? 1 : 0) + 1 };
}

function shown(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? "-" : format(value);
}

/** The rows as `-o json` prints them. */
export function statJson(rows: readonly StatRow[]): object[] {
  return rows.map((row) => ({
    namespace: row.namespace,
    kind: row.kind,
    name: row.name,
    meshed: `${row.meshedPodCount}/${row.runningPodCount}`,
    success: row.success ?? null,
    rps: row.rps ?? null,
    latency_ms_p50: row.latencyMsP50 ?? null,
    latency_ms_p95: row.latencyMsP95 ?? null,
    latency_ms_p99: row.latencyMsP99 ?? null,
    tcp_open_connections: row.tcpOpenConnections,
    tcp_read_bytes_rate: row.tcpReadBytesRate,
    tcp_write_bytes_rate: row.tcpWriteBytesRate,
  }));
}
