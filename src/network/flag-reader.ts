/** How a flag is written: `value` takes one (`--name v` or `--name=v`), `switch` may (`--name`, `--name=false`). */
export interface FlagShape {
  readonly kind: "value" | "switch";
  readonly short?: string;
}

/** Flags by long name, as given last, and everything that is wrong with them. */
export interface ReadFlags {
  readonly values: ReadonlyMap<string, string>;
  readonly errors: readonly string[];
}

/** Reads command-line flags in the manner of the original's programs. */
export function readFlags(args: readonly string[], shapes: Readonly<Record<string, FlagShape>>): ReadFlags {
  const values = new Map<string, string>();
  const errors: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const [flag, inline] = splitAtEquals(args[index]);
    const name = longName(flag, shapes);
    if (name === undefined) {
      errors.push(
        `Unknown flag ${JSON.stringify(args[index])}: wanted one of ${Object.keys(shapes)
          .map((one) => `--${one}`)
          .join(", ")}`,
      );
    } else if (inline !== undefined) values.set(name, inline);
    else if (shapes[name].kind === "switch") values.set(name, "true");
    else if (index + 1 < args.length) values.set(name, args[++index]);
    else errors.push(`--${name} is there without its value`);
  }
  return { values, errors };
}

/** A switch's value; anything but true and false is an error. */
export function readSwitch(flags: ReadFlags, name: string, fallback: boolean, errors: string[]): boolean {
  const text = flags.values.get(name);
  if (text === undefined) return fallback;
  if (text !== "true" && text !== "false")
    errors.push(`Cannot read --${name} ${JSON.stringify(text)}: wanted true or false`);
  return text === "true";
}

/** A whole number within bounds. */
export function readNumber(
  flags: ReadFlags,
  name: string,
  bounds: { readonly fallback: number; readonly min: number; readonly max: number },
  errors: string[],
): number {
  const text = flags.values.get(name);
  const value = text === undefined ? bounds.fallback : Number(text);
  const isSound = (text === undefined || /^-?\d+$/.test(text)) && value >= bounds.min && value <= bounds.max;
  if (!isSound)
    errors.push(
      `Cannot use --${name} ${JSON.stringify(text ?? value)}: wanted a number from ${bounds.min} to ${bounds.max}`,
    );
  return value;
}

function splitAtEquals(arg: string): [flag: string, value: string | undefined] {
  const at = arg.indexOf("=");
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

function longName(flag: string, shapes: Readonly<Record<string, FlagShape>>): string | undefined {
  if (flag.startsWith("--")) return Object.hasOwn(shapes, flag.slice(2)) ? flag.slice(2) : undefined;
  if (!/^-[a-z]$/.test(flag)) return undefined;
  return Object.keys(shapes).find((name) => shapes[name].short === flag[1]);
}
