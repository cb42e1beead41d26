import { createServer } from "node:http";

/** Answers 200 on every path once the part serves: for probes, on a port that a mesh need not carry. */
export function serveHealth(): void {
  const port = Number(process.env.HEALTH_PORT ?? 8081);
  createServer((_request, response) => response.end("ok\n")).listen(port, "0.0.0.0");
}
