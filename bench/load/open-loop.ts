/**
 * Fixed-rate HTTP/1.1 load: requests are due at Poisson instants whatever became of earlier ones, and latency counts from
 * the instant a request was due, so that a stall is charged to whom it belongs. Prints one JSON object.
 *   bun open-loop.ts HOST PORT REQUESTS_PER_SECOND SECONDS CONNECTIONS
 */
import { dlopen } from "bun:ffi";

// The runtime's timers are a millisecond coarse, and a loop that never sleeps would take one of two processors.
const { usleep } = dlopen("libc.so.6", { usleep: { args: ["u32"], returns: "i32" } }).symbols;
const MAX_NAP_US = 50;

const [host, port, rate, seconds, connectionCount] = [process.argv[2], ...process.argv.slice(3).map(Number)] as [
  string,
  ...number[],
];
const REQUEST = Buffer.from(`GET /bench HTTP/1.1\r\nhost: ${host}:${port}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n`);
const WARM_UP_SHARE = 0.2; // of the run, not counted

interface Connection {
  socket: Bun.Socket<Connection>;
  dueAtMs: number; // 0 when idle
  seen: number;
  expected: number;
}

const idle: Connection[] = [];
const waiting: number[] = []; // due instants of requests for which no connection was free
const latenciesUs: number[] = [];
let failed = 0;
let countFromMs = 0;

function send(connection: Connection, dueAtMs: number): void {
  connection.dueAtMs = dueAtMs;
  connection.seen = 0;
  connection.expected = 0;
  connection.socket.write(REQUEST);
}

function receive(connection: Connection, chunk: Buffer): void {
  if (connection.expected === 0) {
    const headEnd = chunk.indexOf("\r\n\r\n");
    if (headEnd < 0 || !chunk.subarray(0, 12).includes(" 200")) {
      failed++;
      connection.expected = chunk.length;
    } else {
      const head = chunk.toString("latin1", 0, headEnd);
      connection.expected = headEnd + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    }
  }
  connection.seen += chunk.length;
  if (connection.seen < connection.expected) return;
  const nowMs = performance.now();
  if (connection.dueAtMs >= countFromMs) latenciesUs.push((nowMs - connection.dueAtMs) * 1_000);
  const next = waiting.shift();
  if (next !== undefined) send(connection, next);
  else {
    connection.dueAtMs = 0;
    idle.push(connection);
  }
}

for (let i = 0; i < connectionCount; i++) {
  await new Promise<void>((resolve, reject) => {
    Bun.connect<Connection>({
      hostname: host,
      port,
      socket: {
        open(socket) {
          const connection: Connection = { socket, dueAtMs: 0, seen: 0, expected: 0 };
          socket.data = connection;
          idle.push(connection);
          resolve();
        },
        data: (socket, chunk) => receive(socket.data, chunk),
        close: () => void failed++,
        error: (_socket, error) => reject(error),
      },
    }).catch(reject);
  });
}

const startMs = performance.now();
const endMs = startMs + seconds * 1_000;
countFromMs = startMs + seconds * 1_000 * WARM_UP_SHARE;
let nextDueMs = startMs;
await new Promise<void>((resolve) => {
  const tick = (): void => {
    const nowMs = performance.now();
    while (nextDueMs <= nowMs && nextDueMs < endMs) {
      const connection = idle.pop();
      if (connection) send(connection, nextDueMs);
      else waiting.push(nextDueMs);
      nextDueMs += (-Math.log(1 - Math.random()) / rate) * 1_000;
    }
    if (nextDueMs >= endMs) {
      setTimeout(resolve, 200);
      return;
    }
    usleep(Math.min(MAX_NAP_US, Math.max(1, (nextDueMs - performance.now()) * 1_000)));
    setImmediate(tick); // after the replies that arrived meanwhile
  };
  tick();
});

latenciesUs.sort((a, b) => a - b);
const at = (q: number): number =>
  Math.round(latenciesUs[Math.min(latenciesUs.length - 1, Math.floor(q * latenciesUs.length))] ?? 0);
console.log(
  JSON.stringify({
    count: latenciesUs.length,
    failed,
    rps: latenciesUs.length / (seconds * (1 - WARM_UP_SHARE)),
    p50Us: at(0.5),
    p99Us: at(0.99),
    p999Us: at(0.999),
  }),
);
process.exit(0);
