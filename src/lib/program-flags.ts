/**
 * Flags of long-running programs in the style of Linkerd's controllers: `-addr :8080`, `-addr=:8080`, `--addr=:8080`.
 * A boolean flag may stand alone. Words that are no flags are refused.
 */
export type FlagDefaults = Readonly<Record<string, string | boolean>>;

export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** The values of all flags, defaults filled in. Throws one FlagError that names every problem. */
export function parseFlags<T extends FlagDefaults>(
  args: readonly string[],
  defaults: T,
): { [K in keyof T]: T[K] extends boolean ? boolean : string } {
  const values: Record<string, string | boolean> = { ...defaults };
  const problems: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const match = /^--?([a-z0-9][a-z0-9-]*)(?:=(.*))?$/s.exec(args[i]);
    if (!match || !(match[1] in defaults)) {
      problems.push(`unknown flag "${args[i]}"`);
      continue;
    }
    const [, name, given] = match;
    if (typeof defaults[name] === "boolean") {
      if (given !== undefined && given !== "true" && given !== "false")
        problems.push(`-${name}="${given}": wanted true or false`);
      values[name] = given !== "false";
    } else if (given !== undefined) values[name] = given;
    else if (i + 1 < args.length) values[name] = args[++i];
    else problems.push(`-${name} needs a value`);
  }
  if (problems.length > 0) {
    const known = Object.keys(defaults).map((name) => `-${name}`);
    throw new FlagError(`Cannot read the flags: ${problems.join("; ")}. Known flags: ${known.join(", ")}`);
  }
  return values as { [K in keyof T]: T[K] extends boolean ? boolean : string };
}

/** `:8080` or `127.0.0.1:8080` as host and port; the empty host means every address. */
export function parseListenAddress(text: string): { host: string; port: number } {
  const match = /^(.*):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw new FlagError(`Cannot parse the address "${text}": wanted host:port or :port`);
  return { host: match[1].replace(/^\[|\]$/g, "") || "0.0.0.0", port };
}
