/** Machine commands the node runs (ip, iptables-restore), with the environment in which they are found. */
export interface Commands {
  /** Runs to the end with `input` on standard input; throws with the command's own words when it fails. */
  run(argv: readonly string[], input?: string): Promise<string>;
}

const MAX_SHOWN = 600; // characters of a failed command's output kept in the error

export function createCommands(env: Readonly<Record<string, string>>): Commands {
  return {
    async run(argv, input = "") {
      const child = Bun.spawn([...argv], { env, stdin: Buffer.from(input), stdout: "pipe", stderr: "pipe" });
      const [out, err, code] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      if (code !== 0)
        throw new Error(`Cannot run ${argv.join(" ")} (exit ${code}): ${(err || out).trim().slice(0, MAX_SHOWN)}`);
      return out;
    },
  };
}
