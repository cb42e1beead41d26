import { type FlagShape, readFlags } from "./flag-reader.ts";
import type { ValidatorOptions } from "./validator.ts";

export type { ValidatorOptions } from "./validator.ts";

/** Reads the flags of `network-validator`. Gives the options, or everything that is wrong with them. */
export function parseValidatorFlags(
  args: readonly string[],
): { options: ValidatorOptions } | { errors: readonly string[] } {
  const flags = readFlags(args, SHAPES);
  const errors = [...flags.errors];
  const timeout = flags.values.get("timeout") ?? "10s";
  const match = /^(\d+)(ms|s|m)?$/.exec(timeout);
  if (!match) errors.push(`Cannot read --timeout ${JSON.stringify(timeout)}: wanted a duration like 10s`);
  const options: ValidatorOptions = {
    connectAddress: readAddress(flags.values.get("connect-addr") ?? "192.0.2.2:1404", "connect-addr", errors),
    listenAddress: readAddress(flags.values.get("listen-addr") ?? "0.0.0.0:4140", "listen-addr", errors),
    timeoutMs: Number(match?.[1] ?? 10) * UNIT_MS[match?.[2] ?? "s"],
    logFormat: flags.values.get("log-format") === "json" ? "json" : "plain",
    logLevel: flags.values.get("log-level") ?? "info",
  };
  return errors.length > 0 ? { errors } : { options };
}

function readAddress(text: string, flag: string, errors: string[]): ValidatorOptions["listenAddress"] {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match && port <= 65_535) return { ip: match[1] ?? match[2], port };
  errors.push(`Cannot read --${flag} ${JSON.stringify(text)}: wanted ip:port or [ipv6]:port`);
  return { ip: "", port: 0 };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

const SHAPES: Readonly<Record<string, FlagShape>> = {
  "connect-addr": { kind: "value" },
  "listen-addr": { kind: "value" },
  timeout: { kind: "value" },
  "log-format": { kind: "value" },
  "log-level": { kind: "value" },
};
