export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts commands of the machine. */
export interface CommandRunner {
  /** Whether a command is on the path. */
  has(command: string): boolean;
  /** Runs to the end; `input` is its standard input. A command that cannot be started exits with 127. */
  run(argv: readonly string[], input?: string): CommandResult;
}

/** Runs real commands, found on `path` (default: that of this process). At most a minute each. */
export function systemRunner(path?: string): CommandRunner {
  const options = path === undefined ? undefined : { PATH: path };
  return {
    has: (command) => Bun.which(command, options) !== null,
    run(argv, input = "") {
      const program = Bun.which(argv[0], options);
      if (program === null) return { exitCode: 127, stdout: "", stderr: `${argv[0]}: not found` };
      const result = Bun.spawnSync([program, ...argv.slice(1)], {
        stdin: Buffer.from(input),
        stdout: "pipe",
        stderr: "pipe",
        timeout: COMMAND_TIMEOUT_MS,
        ...(path === undefined ? {} : { env: { PATH: path } }),
      });
      return { exitCode: result.exitCode, stdout: result.stdout.toString(), stderr: result.stderr.toString() };
    },
  };
}

const COMMAND_TIMEOUT_MS = 60_000;
