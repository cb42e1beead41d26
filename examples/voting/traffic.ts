import { Agent, createServer, request } from "node:http";
import { PRODUCTS, type Stop } from "./shop.ts";

/** A round visits every path once; the counts say what was sent and what came back, for comparison with the mesh's counters. */
const PATHS: readonly string[] = [
  "/products",
  ...PRODUCTS.map((product) => `/vote?product=${product}`),
  "/price?product=apple",
];
const [host, port] = (process.env.WEB_ADDR ?? "web:8080").split(":");
const perSecond = Number(process.env.REQUESTS_PER_SECOND ?? 40);
const CONTROL_PORT = Number(process.env.PORT ?? 9000);

interface Sent {
  sent: number;
  ok: number;
  failed: number;
  /** No answer at all: a connection that broke or was refused. */
  lost: number;
}

const counts = new Map<string, Sent>();
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
let isPaused = process.env.START_PAUSED === "true";
let inFlight = 0;
let next = 0;

/** Sends at a steady rate. Control: GET /sent, POST /pause (answers when nothing is in flight), POST /resume, POST /reset. */
export async function start(): Promise<Stop> {
  const sending = setInterval(() => {
    if (!isPaused) send(PATHS[next++ % PATHS.length]);
  }, 1000 / perSecond);
  const control = createServer(async (incoming, outgoing) => {
    if (incoming.url === "/pause") {
      isPaused = true;
      while (inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    } else if (incoming.url === "/resume") isPaused = false;
    else if (incoming.url === "/reset") counts.clear();
    outgoing.setHeader("content-type", "application/json");
    outgoing.end(`${JSON.stringify({ paused: isPaused, inFlight, sent: Object.fromEntries(counts) })}\n`);
  });
  await new Promise<void>((resolve) => control.listen(CONTROL_PORT, "0.0.0.0", resolve));
  console.log(`sending ${perSecond} requests per second to ${host}:${port}, control on ${CONTROL_PORT}`);
  return async () => clearInterval(sending);
}

function send(path: string): void {
  const count = counts.get(path) ?? { sent: 0, ok: 0, failed: 0, lost: 0 };
  counts.set(path, count);
  count.sent++;
  inFlight++;
  let answered = false;
  const outgoing = request({ host, port, path, agent, timeout: 10_000 }, (response) => {
    answered = true;
    response.resume();
    response.on("end", () => {
      if ((response.statusCode ?? 0) < 500) count.ok++;
      else count.failed++;
    });
    response.on("error", () => count.lost++);
    response.on("close", () => inFlight--);
  });
  outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within 10 s")));
  outgoing.on("error", () => {
    if (!answered) {
      count.lost++;
      inFlight--;
    }
  });
  outgoing.end();
}
