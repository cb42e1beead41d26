/**
 * The `linkerd` executable: one program, chosen by its first words. Each program is loaded only when chosen, so that
 * the proxy never pays for the command line nor the command line for the playground.
 */
type Program = { main(args: readonly string[]): Promise<number> };

const programs: Readonly<Record<string, () => Promise<Program>>> = {
  proxy: () => import("./proxy.ts"),
  controller: () => import("./controller.ts"),
  "network-init": () => import("./network-init.ts"),
  "network-validator": () => import("./network-validator.ts"),
  playground: () => import("./playground.ts"),
};

const [word = "", ...rest] = process.argv.slice(2);
const load = programs[word];
const code = load
  ? await (await load()).main(rest)
  : await (await import("./cli.ts")).main([word, ...rest].filter(Boolean));
process.exitCode = code;
