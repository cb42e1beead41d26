/**
 * Fixed-rate HTTP/1.1 load: requests are due at Poisson instants whatever became of earlier ones, and latency counts from
 * the instant a request was due, so that a stall is charged to whom it belongs. Prints one JSON object.
 *   bun open-loop.ts HOST PORT REQUESTS_PER_SECOND SECONDS CONNECTIONS
 */
import { Connections } from "./kernel.ts";
import { replyLength } from "./reply-length.ts";

const [host, port, rate, seconds, connectionCount] = [process.argv[2], ...process.argv.slice(3).map(Number)] as [
  string,
  ...number[],
];
const REQUEST = Buffer.from(`GET /bench HTTP/1.1\r\nhost: ${host}:${port}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n`);
const WARM_UP_SHARE = 0.2; // of the run, not counted
const LAST_REPLIES_MS = 10_000; // how long replies to the last requests are waited for
const SPARE = 1.5; // Poisson arrivals vary

const connections = new Connections(host, port, connectionCount);
const dueAtMs = new Float64Array(connectionCount); // of the request under way
const missing = new Float64Array(connectionCount); // bytes of its reply that have not come; 0 before the first
const idle = Int32Array.from({ length: connectionCount }, (_, index) => index);
let idleCount = connectionCount;
const due = new Float64Array(rate * seconds * SPARE + 1_000); // requests for which no connection was free, a queue
let dueHead = 0;
let dueTail = 0;
const latenciesUs = new Float64Array(due.length);
let counted = 0;
let underWay = 0;
let failed = 0;

const startMs = performance.now();
const endMs = startMs + seconds * 1_000;
const countFromMs = startMs + seconds * 1_000 * WARM_UP_SHARE;

function send(connection: number, instantMs: number): void {
  dueAtMs[connection] = instantMs;
  missing[connection] = 0;
  if (connections.send(connection, REQUEST)) underWay++;
  else failed++;
}

function receive(connection: number): void {
  const length = connections.receive(connection);
  if (length <= 0) {
    failed++; // the connection is not used again
    underWay--;
    return;
  }
  let left = missing[connection]!;
  if (left === 0) {
    left = replyLength(connections.received, length);
    if (left < 0) {
      failed++;
      left = length;
    }
  }
  missing[connection] = left - length;
  if (left > length) return;
  const nowMs = performance.now();
  underWay--;
  if (dueAtMs[connection]! >= countFromMs) latenciesUs[counted++] = (nowMs - dueAtMs[connection]!) * 1_000;
  if (dueHead < dueTail) send(connection, due[dueHead++]!);
  else idle[idleCount++] = connection;
}

let nextDueMs = startMs;
for (
  let nowMs = startMs;
  nowMs < endMs || (underWay > 0 && nowMs < endMs + LAST_REPLIES_MS);
  nowMs = performance.now()
) {
  for (; nextDueMs <= nowMs && nextDueMs < endMs; nextDueMs += (-Math.log(1 - Math.random()) / rate) * 1_000) {
    if (idleCount > 0) send(idle[--idleCount]!, nextDueMs);
    else due[dueTail++] = nextDueMs;
  }
  const untilMs = Math.max(nextDueMs, nowMs) < endMs ? nextDueMs : endMs + LAST_REPLIES_MS;
  const found = connections.wait(Math.min(untilMs - performance.now(), 999));
  for (let place = 0; place < found; place++) receive(connections.ready(place));
}
failed += underWay + dueTail - dueHead; // never answered, never sent

const sorted = latenciesUs.subarray(0, counted).sort();
const at = (q: number): number => Math.round(sorted[Math.min(counted - 1, Math.floor(q * counted))] ?? 0);
console.log(
  JSON.stringify({
    count: counted,
    failed,
    rps: counted / (seconds * (1 - WARM_UP_SHARE)),
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
  }),
);
process.exit(0);
