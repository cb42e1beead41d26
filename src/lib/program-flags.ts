import { parseDuration } from "./duration.ts";

/** What a flag takes and what it is without being given. `parse` returns undefined for text it cannot use. */
export interface Flag<T> {
  readonly fallback: T;
  readonly wanted: string;
  readonly isSwitch?: boolean;
  parse(text: string): T | undefined;
}

export function textFlag(fallback: string): Flag<string> {
  return { fallback, wanted: "text", parse: (text) => text };
}

/** `-x`, `-x=true`, `-x=false`; as with Go's flags, a value needs the equals sign. */
export function switchFlag(fallback: boolean): Flag<boolean> {
  const values: Record<string, boolean> = { true: true, "1": true, t: true, false: false, "0": false, f: false };
  return { fallback, wanted: "true or false", isSwitch: true, parse: (text) => values[text.toLowerCase()] };
}

export function numberFlag(fallback: number): Flag<number> {
  const parse = (text: string) => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined);
  return { fallback, wanted: "a number", parse };
}

/** In milliseconds; read as `24h0m0s`, `20s`. */
export function durationFlag(fallbackMs: number): Flag<number> {
  const parse = (text: string) => parseDuration(text).value;
  return { fallback: fallbackMs, wanted: "a duration like 30s or 24h", parse };
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;
export type FlagValues<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

export interface ParsedFlags<F extends Flags> {
  readonly values: FlagValues<F>;
  /** Every bad argument, one line each; empty when all is well. */
  readonly errors: readonly string[];
}

/** Reads arguments as Linkerd's programs take them: `-name=value`, `--name=value`, `-name value`. The last one wins. */
export function parseFlags<F extends Flags>(args: readonly string[], flags: F): ParsedFlags<F> {
  const values: Record<string, unknown> = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, flag.fallback]),
  );
  const errors: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const match = /^--?([a-z0-9][a-z0-9-]*)(?:=(.*))?$/is.exec(args[i]!);
    const name = match?.[1] ?? "";
    const flag = Object.hasOwn(flags, name) ? flags[name]! : undefined;
    if (!flag) {
      errors.push(
        `Unknown argument "${args[i]}": wanted one of ${Object.keys(flags)
          .map((known) => `-${known}`)
          .join(", ")}`,
      );
      continue;
    }
    const text = match?.[2] ?? (flag.isSwitch ? "true" : args[++i]);
    const value = text === undefined ? undefined : flag.parse(text);
    if (value === undefined) errors.push(`Cannot parse -${name} "${text ?? ""}": wanted ${flag.wanted}`);
    else values[name] = value;
  }
  return { values: values as FlagValues<F>, errors };
}

/** `:8086`, `0.0.0.0:8086`, `[::]:8086`; undefined for anything else. An empty host means every IPv4 address. */
export function parseListenAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  return { host: match[1] ?? (match[2] || "0.0.0.0"), port };
}

/** A flag that holds an address to listen on. */
export function addressFlag(fallback: string): Flag<{ host: string; port: number }> {
  return { fallback: parseListenAddress(fallback)!, wanted: "host:port, like :8086", parse: parseListenAddress };
}
