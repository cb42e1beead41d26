import { systemClock } from "#lib/clock";
import { createLog, LOG_LEVELS, type LogLevel } from "#lib/log";
import { initNetwork, parseInitFlags, systemRunner } from "#network";

/** `linkerd network-init [flags]`: redirects this network namespace's TCP traffic to the proxy. */
export async function main(args: readonly string[]): Promise<number> {
  const parsed = parseInitFlags(args);
  if ("errors" in parsed) {
    for (const error of parsed.errors) process.stderr.write(`${error}\n`);
    return 2;
  }
  const { options } = parsed;
  const log = createLog({
    level: LOG_LEVELS.includes(options.logLevel as LogLevel) ? (options.logLevel as LogLevel) : "info",
    format: options.logFormat,
    write: (line) => process.stderr.write(line),
    wallMs: () => systemClock.wallMs(),
  });
  try {
    initNetwork(options, systemRunner(`${process.env.PATH ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`), log);
    return 0;
  } catch (thrown: unknown) {
    log.error(thrown instanceof Error ? thrown.message : String(thrown));
    return 1;
  }
}
