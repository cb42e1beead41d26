/**
 * The `linkerd` executable: one program, chosen by its first words. Each program is loaded only when chosen, so that
 * the proxy never pays for the command line nor the command line for the playground.
 */
import { ensureRuntimeOptions, PROXY_RUNTIME } from "./runtime-options.ts";

type Program = { main(args: readonly string[]): Promise<number> };

const programs: Readonly<Record<string, () => Promise<Program>>> = {
  proxy: () => import("./proxy.ts"),
  controller: () => import("./controller.ts"),
  "network-init": () => import("./network-init.ts"),
  "network-validator": () => import("./network-validator.ts"),
  await: () => import("./await.ts"),
  playground: () => import("./playground.ts"),
  "viz metrics-api": () => import("./metrics-api.ts"),
};

const words = process.argv.slice(2);
const wordCount = [2, 1].find((count) => words.slice(0, count).join(" ") in programs) ?? 0;
if (words[0] === "proxy") ensureRuntimeOptions(PROXY_RUNTIME);
const load = programs[words.slice(0, wordCount).join(" ")] ?? (() => import("./cli.ts"));
process.exitCode = await (await load()).main(words.slice(wordCount));
