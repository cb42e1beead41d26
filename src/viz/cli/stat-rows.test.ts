import { expect, test } from "bun:test";
import type { StatTable, StatTable_PodGroup_Row } from "#proto/viz";
import { statJson, statRows, statText } from "./stat-rows.ts";

function table(...rows: Partial<StatTable_PodGroup_Row>[]): StatTable[] {
  const full = rows.map((row) => ({
    resource: { namespace: "shop", type: "deployment", name: "web" },
    timeWindow: "1m",
    status: "",
    meshedPodCount: 1n,
    runningPodCount: 2n,
    failedPodCount: 0n,
    stats: undefined,
    tcpStats: undefined,
    tsStats: undefined,
    srvStats: undefined,
    errorsByPod: {},
    ...row,
  }));
  return [{ table: { $case: "podGroup", value: { rows: full } } }];
}

const stats = {
  successCount: 59n,
  failureCount: 1n,
  latencyMsP50: 3n,
  latencyMsP95: 18n,
  latencyMsP99: 42n,
  actualSuccessCount: 0n,
  actualFailureCount: 0n,
};
const tcpStats = { openConnections: 6n, readBytesTotal: 600n, writeBytesTotal: 60n };
const plain = { showsNamespace: false, isWide: false };

test("counts become shares and rates over the window", () => {
  const [row] = statRows(table({ stats, tcpStats }), 60_000, false);
  expect(statText("deployment", [row], plain, false).rows).toEqual([
    ["web", "1/2", "98.33%", "1.0rps", "3ms", "18ms", "42ms", "6"],
  ]);
  expect(statJson([row])[0]).toMatchObject({
    success: 59 / 60,
    rps: 1,
    latency_ms_p99: 42,
    tcp_read_bytes_rate: 10,
    meshed: "1/2",
  });
});

test("nothing in the window shows as dashes and null", () => {
  const [row] = statRows(table({ stats: { ...stats, successCount: 0n, failureCount: 0n } }), 60_000, false);
  expect(statText("deployment", [row], plain, false).rows[0].slice(2)).toEqual(["-", "-", "-", "-", "-", "-"]);
  expect(statJson([row])[0]).toMatchObject({ success: null, rps: null, latency_ms_p50: null });
});

test("workloads without a meshed pod are left out unless asked for; services are not", () => {
  const bare = { meshedPodCount: 0n };
  expect(statRows(table(bare), 60_000, false)).toEqual([]);
  expect(statRows(table(bare), 60_000, true)).toHaveLength(1);
  const service = { ...bare, resource: { namespace: "shop", type: "service", name: "web" } };
  expect(statText("service", statRows(table(service), 60_000, false), plain, true).rows[0].slice(0, 2)).toEqual([
    "svc/web",
    "-",
  ]);
});

test("wide adds byte rates, pods their status, all namespaces a column", () => {
  const pod = { resource: { namespace: "shop", type: "pod", name: "web-1" }, status: "Running", stats, tcpStats };
  const text = statText("pod", statRows(table(pod), 60_000, false), { showsNamespace: true, isWide: true }, false);
  expect(text.header).toEqual([
    ...[
      "NAMESPACE",
      "NAME",
      "STATUS",
      "MESHED",
      "SUCCESS",
      "RPS",
      "LATENCY_P50",
      "LATENCY_P95",
      "LATENCY_P99",
      "TCP_CONN",
    ],
    ...["READ_BYTES/SEC", "WRITE_BYTES/SEC"],
  ]);
  expect(text.rows[0].slice(0, 3)).toEqual(["shop", "web-1", "Running"]);
  expect(text.rows[0].slice(-2)).toEqual(["10.0B/s", "1.0B/s"]);
});
