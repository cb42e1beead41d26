import { expect, test } from "bun:test";
import type { Resource, StatSummaryRequest } from "#proto/viz";
import { shopCluster, watchedStore } from "../../../test/support/viz-cluster.ts";
import { statSummary } from "./stat-summary.ts";

const cluster = shopCluster([{ name: "web" }, { name: "voting" }, { name: "old", isMeshed: false }]);

const WEB = `
response_total{direction="inbound",classification="success"} 90
response_total{direction="inbound",classification="failure"} 10
response_total{direction="outbound",dst_deployment="voting",dst_namespace="shop",dst_service="voting",classification="success"} 30
response_total{direction="outbound",dst_deployment="voting",dst_namespace="shop",dst_service="voting",classification="failure"} 10
response_latency_ms_bucket{direction="inbound",le="1"} 50
response_latency_ms_bucket{direction="inbound",le="10"} 100
response_latency_ms_bucket{direction="inbound",le="+Inf"} 100
tcp_open_connections{direction="inbound",peer="src"} 3
tcp_open_connections{direction="inbound",peer="dst"} 9
tcp_read_bytes_total{direction="inbound",peer="src"} 600
`;

function request(resource: Partial<Resource>, outbound?: StatSummaryRequest["outbound"]): StatSummaryRequest {
  return {
    selector: { resource: { namespace: "shop", type: "deployment", name: "", ...resource }, labelSelector: "" },
    timeWindow: "1m",
    outbound: outbound ?? { $case: "none", value: {} },
    skipStats: false,
    tcpStats: true,
  };
}

async function rows(asked: StatSummaryRequest) {
  const { store, scrape } = watchedStore(cluster);
  scrape("web", WEB);
  const tables = await statSummary(asked, { cluster, source: store, controlPlaneNs: "linkerd" });
  return tables.flatMap(({ table }) => table?.value.rows ?? []);
}

test("a deployment's row is what came in to its pods", async () => {
  const [old, voting, web] = await rows(request({}));
  expect(web.stats).toMatchObject({ successCount: 90n, failureCount: 10n, latencyMsP50: 1n, latencyMsP95: 9n });
  expect(web.tcpStats).toEqual({ openConnections: 3n, readBytesTotal: 600n, writeBytesTotal: 0n });
  expect([web.meshedPodCount, web.runningPodCount]).toEqual([1n, 1n]);
  expect([voting.resource?.name, voting.stats]).toEqual(["voting", undefined]);
  expect([old.meshedPodCount, old.runningPodCount]).toEqual([0n, 1n]);
});

test("--to counts what was sent, as the sender saw it", async () => {
  const to = { $case: "toResource", value: { namespace: "shop", type: "deployment", name: "voting" } } as const;
  const found = await rows(request({ name: "web" }, to));
  expect(found.map(({ resource, stats }) => [resource?.name, stats?.successCount, stats?.failureCount])).toEqual([
    ["web", 30n, 10n],
  ]);
});

test("--from counts what came from the other, by destination", async () => {
  const from = { $case: "fromResource", value: { namespace: "shop", type: "deployment", name: "web" } } as const;
  const found = await rows(request({}, from));
  expect(found.map(({ resource, stats }) => [resource?.name, stats?.successCount])).toEqual([["voting", 30n]]);
});

test("a service's row is what clients sent to it", async () => {
  const [service] = (await rows(request({ type: "svc", name: "voting" }))).filter(({ stats }) => stats);
  expect([service.resource?.type, service.stats?.successCount, service.stats?.failureCount]).toEqual([
    "service",
    30n,
    10n,
  ]);
});

test("a namespace sums up its pods", async () => {
  const [namespace] = await rows(request({ type: "ns", namespace: "", name: "shop" }));
  expect([namespace.stats?.successCount, namespace.meshedPodCount, namespace.runningPodCount]).toEqual([90n, 2n, 3n]);
});

const refused: [string, StatSummaryRequest, string][] = [
  ["an unknown kind", request({ type: "trafficsplit" }), 'Cannot tell the resource type "trafficsplit"'],
  ["a window that is no time", { ...request({}), timeWindow: "soon" }, "invalid time window"],
  [
    "traffic from a service",
    request({}, { $case: "fromResource", value: { namespace: "", type: "svc", name: "x" } }),
    "cannot be the source",
  ],
  [
    "a filter of all kinds",
    request({}, { $case: "toResource", value: { namespace: "", type: "all", name: "" } }),
    "cannot be used with --to",
  ],
];
for (const [what, asked, message] of refused) {
  test(`${what} is refused in words`, async () => {
    expect(rows(asked)).rejects.toThrow(message);
  });
}
