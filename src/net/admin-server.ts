import { createServer } from "node:http";
import type { MetricsRegistry } from "#lib/metrics";
import { listenError } from "./listen-error.ts";

export interface AdminServerOptions {
  readonly host?: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Names of what is still being waited for; empty means ready. */
  readonly pending: () => readonly string[];
  readonly metrics: MetricsRegistry;
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 10_000;

/**
 * What kubelets and Prometheus ask a control-plane program: `/ping` and `/live` (is it running), `/ready` (has it synced;
 * 503 and the names of what is missing until then), `/metrics`.
 */
export function startAdminServer({
  host = "0.0.0.0",
  port,
  pending,
  metrics,
}: AdminServerOptions): Promise<AdminServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    const { status, type, body } = answer(request.url ?? "/", pending, metrics);
    response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return new Promise((resolve, reject) => {
    server.once("error", (cause: Error) => {
      reject(listenError({ host, port, purpose: "admin" }, cause));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve({ port: typeof address === "object" && address ? address.port : port, close });
    });
  });
}

function answer(url: string, pending: () => readonly string[], metrics: MetricsRegistry) {
  const plain = "text/plain; charset=utf-8";
  switch (url.split("?")[0]) {
    case "/ping":
      return { status: 200, type: plain, body: "pong\n" };
    case "/live":
      return { status: 200, type: plain, body: "ok\n" };
    case "/ready": {
      const waits = pending();
      if (waits.length === 0) return { status: 200, type: plain, body: "ok\n" };
      return { status: 503, type: plain, body: `waiting for ${waits.join(", ")}\n` };
    }
    case "/metrics":
      return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: metrics.render() };
    default:
      return { status: 404, type: plain, body: "not found; try /ping, /live, /ready or /metrics\n" };
  }
}
