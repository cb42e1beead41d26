/**
 * The voting shop: a small application for showing and testing a mesh, on stock parts only (node:http, grpc-js,
 * node:net), so that no fault of the mesh's own codecs can hide at both ends.
 *
 *   traffic --HTTP/1.1--> web --gRPC--> products (two replicas, one slow)
 *                          |  --gRPC--> voting   (voting for "doughnut" fails on purpose)
 *                          '--TCP-----> prices   (opaque; the server speaks first)
 */
import { serveHealth } from "./health.ts";

const roles: Readonly<Record<string, () => Promise<{ start(): Promise<void> }>>> = {
  web: () => import("./web.ts"),
  products: () => import("./products.ts"),
  voting: () => import("./votes.ts"),
  prices: () => import("./prices.ts"),
  traffic: () => import("./traffic.ts"),
};

const role = process.argv[2] ?? "";
const load = roles[role];
if (!load) {
  process.stderr.write(`Unknown part "${role}" of the voting shop: wanted one of ${Object.keys(roles).join(", ")}\n`);
  process.exit(64);
}
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => process.exit(0));
await (await load()).start();
serveHealth();
