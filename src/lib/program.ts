import { systemClock } from "./clock.ts";
import { createLog, LOG_LEVELS, type Log, type LogLevel } from "./log.ts";
import { type Flags, type FlagValues, parseFlags, switchFlag, textFlag } from "./program-flags.ts";

/** Reads an environment variable. Rooms below `bin/` never touch the process's own. */
export type Env = (name: string) => string | undefined;

/** A long-running program: runs until it is told to stop, and resolves to its exit code. */
export type Program = (args: readonly string[], env: Env) => Promise<number>;

/** The flags every program takes. */
export const COMMON_FLAGS = {
  "log-level": textFlag("info"),
  "log-format": textFlag("plain"),
  kubeconfig: textFlag(""),
  "enable-pprof": switchFlag(false), // accepted for Linkerd's manifests; there is nothing behind it
  "trace-collector": textFlag(""),
  "trace-collector-svc-addr": textFlag(""),
} as const;

export interface Started {
  /** Stops accepting, lets live work finish, then closes everything. */
  stop(): Promise<void>;
}

/**
 * The life of a program: read flags (all that is wrong is reported at once), start, wait for SIGTERM or SIGINT, stop.
 * Exit codes: 0 stopped as asked, 1 could not start, 2 bad arguments.
 */
export async function runProgram<F extends Flags>(
  name: string,
  args: readonly string[],
  flags: F,
  start: (values: FlagValues<F & typeof COMMON_FLAGS>, log: Log) => Promise<Started>,
): Promise<number> {
  const { values, errors } = parseFlags(args, { ...COMMON_FLAGS, ...flags });
  const log = programLog(values["log-level"] as string, values["log-format"] as string).with({ program: name });
  for (const error of errors) log.error(error);
  if (errors.length > 0) return 2;
  const alive = setInterval(() => {}, KEEP_ALIVE_MS);
  try {
    return await live(() => start(values as unknown as FlagValues<F & typeof COMMON_FLAGS>, log), log);
  } finally {
    clearInterval(alive);
  }
}

/** The clock's timers keep no process alive; without this one a program that waits before its first socket would end. */
const KEEP_ALIVE_MS = 60_000;

async function live(start: () => Promise<Started>, log: Log): Promise<number> {
  const signal = nextSignal();
  let started: Started;
  try {
    started = await start();
  } catch (error) {
    log.error("Cannot start", { error: (error as Error).message });
    return 1;
  }
  log.info("Started");
  log.info("Stopping", { signal: await signal });
  await started.stop();
  return 0;
}

/** A log on standard error with Linkerd's level and format names. */
export function programLog(level: string, format: string): Log {
  return createLog({
    level: logLevel(level),
    format: format === "json" ? "json" : "plain",
    write: (line) => process.stderr.write(line),
    wallMs: () => systemClock.wallMs(),
  });
}

/** `info`, `warning`, `panic`, and lists such as `linkerd=info,warn`, of which the part for linkerd counts; else `info`. */
export function logLevel(text: string): LogLevel | "off" {
  const parts = text
    .toLowerCase()
    .split(",")
    .map((part) => part.trim());
  const part = parts.find((one) => one.startsWith("linkerd=")) ?? parts.find((one) => !one.includes("=")) ?? "info";
  const word = part.replace("linkerd=", "");
  if (word === "off") return "off";
  if (word === "warning") return "warn";
  if (word === "fatal" || word === "panic") return "error";
  return LOG_LEVELS.find((level) => level === word) ?? "info";
}

function nextSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
}
