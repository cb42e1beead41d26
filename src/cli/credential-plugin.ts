import type { RunPlugin } from "#kube";
import { CliError } from "./cli-error.ts";

/** Runs a kubeconfig's credential plugin; what it writes for the person goes through to the terminal. */
export const runPlugin: RunPlugin = async (command, args, env) => {
  const plugin = Bun.spawn([command, ...args], {
    env: { ...process.env, ...env },
    stdin: "inherit",
    stdout: "pipe",
    stderr: "inherit",
  });
  const printed = await new Response(plugin.stdout).text();
  const code = await plugin.exited;
  if (code !== 0) throw new CliError(`Cannot get credentials: the plugin "${command}" ended with status ${code}`);
  return printed;
};
