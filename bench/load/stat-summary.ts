/**
 * Asks metrics-api for what `linkerd viz stat deploy` shows, one question after the other. Prints one JSON object.
 *   bun stat-summary.ts HOST PORT NAMESPACE QUESTIONS
 */
import { GrpcClient } from "#net/grpc-client";
import { StatSummaryRequest, StatSummaryResponse } from "#proto/viz";

const [host, port, namespace, questions] = process.argv.slice(2) as string[];
const WARM_UP = 20;
const request: StatSummaryRequest = {
  selector: { resource: { namespace: namespace!, type: "deployment", name: "" }, labelSelector: "" },
  timeWindow: "1m",
  outbound: undefined,
  skipStats: false,
  tcpStats: true,
};
const client = new GrpcClient({ host: host!, port: Number(port) });
const times: number[] = [];
let last: StatSummaryResponse | undefined;
for (let asked = 0; asked < WARM_UP + Number(questions); asked++) {
  const startedAtMs = performance.now();
  last = await client.unary("/linkerd2.viz.Api/StatSummary", StatSummaryRequest, StatSummaryResponse, request);
  if (asked >= WARM_UP) times.push(performance.now() - startedAtMs);
}
client.close();
if (last?.response?.$case !== "ok") throw new Error(`metrics-api answered ${JSON.stringify(last?.response)}`);
const rows = last.response.value.statTables.flatMap(({ table }) =>
  table?.$case === "podGroup" ? table.value.rows : [],
);
times.sort((a, b) => a - b);
const at = (q: number): number => times[Math.ceil(times.length * q) - 1]! * 1_000;
const shown = rows.filter(
  ({ stats, tcpStats }) => (stats?.successCount ?? 0n) > 0n && (tcpStats?.readBytesTotal ?? 0n) > 0n,
);
console.log(JSON.stringify({ p50Us: at(0.5), p99Us: at(0.99), rows: shown.length }));
process.exit(0);
