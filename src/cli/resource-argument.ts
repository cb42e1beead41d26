import { canonicalKind as knownKind } from "#contracts/resource-kinds";
import { CliError } from "./cli-error.ts";

export interface ResourceArgument {
  /** Singular, lower case; `all` for every kind. */
  readonly kind: string;
  /** Empty: every object of the kind. */
  readonly name: string;
}

/** The singular name of a kind as typed; throws with Linkerd's words for one that is not known. */
export function canonicalKind(typed: string): string {
  const kind = knownKind(typed);
  if (kind !== undefined) return kind;
  throw new CliError(`cannot find Kubernetes canonical name from friendly name [${typed}]`);
}

/** Reads `TYPE`, `TYPE NAME…`, `TYPE/NAME…` as typed after a command. */
export function parseResources(words: readonly string[]): ResourceArgument[] {
  const [first, ...rest] = words;
  if (first === undefined) return [];
  const isListOfNames = rest.length > 0 && !first.includes("/") && first.toLowerCase() !== "all";
  const found = isListOfNames
    ? rest.map((name) => ({ kind: canonicalKind(first), name }))
    : words.map((word) => parseWord(word));
  if (found.length > 1 && found.some(({ kind }) => kind === "all")) {
    throw new CliError("'all' can't be supplied alongside other resources");
  }
  const keys = found.map(({ kind, name }) => `${kind}/${name}`);
  if (new Set(keys).size !== keys.length) throw new CliError("cannot supply duplicate resources");
  return found;
}

/** Reads words that must name exactly one object: `TYPE/NAME` or `TYPE NAME`. */
export function parseOne(...words: string[]): ResourceArgument {
  const found = parseResources(words);
  if (found.length === 1 && found[0]!.name !== "" && found[0]!.kind !== "all") return found[0]!;
  throw new CliError(`Cannot use "${words.join(" ")}": wanted one TYPE/NAME, such as po/web-7d9c5b or deploy/web`);
}

function parseWord(word: string): ResourceArgument {
  const [type = "", name = "", ...more] = word.split("/");
  if (more.length > 0) throw new CliError(`Invalid resource string: ${word}`);
  return { kind: canonicalKind(type), name };
}
