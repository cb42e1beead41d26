type Env = (name: string) => string | undefined;
type Program = (args: readonly string[], env: Env) => Promise<number>;

/** The control plane's programs, each loaded only when chosen. */
const programs: Readonly<Record<string, () => Promise<{ run: Program }>>> = {
  identity: () => import("#controlplane/identity"),
  destination: () => import("#controlplane/destination"),
  policy: () => import("#controlplane/policy"),
  "proxy-injector": () => import("#controlplane/injector"),
  "sp-validator": () => import("#controlplane/sp-validator"),
};

/** `linkerd controller <program> [flags]`: runs one program until it is told to stop. */
export async function main(args: readonly string[]): Promise<number> {
  const [name = "", ...rest] = args;
  const load = Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (!load) {
    process.stderr.write(`Unknown program "${name}": wanted one of ${Object.keys(programs).join(", ")}\n`);
    return 2;
  }
  const code = await (await load()).run(rest, (variable) => process.env[variable]);
  process.exit(code); // a program that could not start may have left a socket or a watch open
}
