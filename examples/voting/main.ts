/**
 * The voting shop: a small application for showing and testing a mesh, on stock parts only (node:http, grpc-js,
 * node:net), so that no fault of the mesh's own codecs can hide at both ends.
 *
 *   traffic --HTTP/1.1--> web --gRPC--> products (two replicas, one slow)
 *                          |  --gRPC--> voting   (voting for "doughnut" fails on purpose)
 *                          '--TCP-----> prices   (opaque; the server speaks first)
 */
import { serveHealth } from "./health.ts";
import type { Stop } from "./shop.ts";

const roles: Readonly<Record<string, () => Promise<{ start(): Promise<Stop> }>>> = {
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
/** Callers learn from the cluster that this pod is going away, and go on calling until they have. */
const STILL_CALLED_MS = Number(process.env.STILL_CALLED_MS ?? 500);

process.on("SIGINT", () => process.exit(0));
const stop = await (await load()).start();
serveHealth();
process.once("SIGTERM", () => {
  setTimeout(() => void stop().then(() => process.exit(0)), STILL_CALLED_MS);
});
