type Step = string | number;
type Tree = Record<string, unknown>;

export interface Assignment {
  readonly path: readonly Step[];
  readonly value: string | string[];
}

const MAX_INDEX = 65_536; // as Helm: a typing slip must not allocate gigabytes

/**
 * Reads Helm's `a.b=c,list[0].x=y,many={1,2}`. A backslash takes the meaning from the character after it: `\,` `\.` `\=`.
 * Throws with what was wrong.
 */
export function splitAssignments(text: string): Assignment[] {
  return split(text, ",")
    .filter((part) => part !== "")
    .map(readAssignment);
}

function readAssignment(text: string): Assignment {
  const at = findUnescaped(text, "=");
  if (at === -1) throw new Error(`"${text}" has no value; wanted key=value`);
  const value = text.slice(at + 1);
  const path = readPath(text.slice(0, at));
  const isList = value.startsWith("{") && value.endsWith("}");
  if (!isList) return { path, value: withoutEscapes(value) };
  const inner = value.slice(1, -1);
  return { path, value: inner === "" ? [] : split(inner, ",").map(withoutEscapes) };
}

function readPath(text: string): Step[] {
  const steps: Step[] = [];
  for (const part of split(text, ".")) {
    const match = /^((?:[^[\\]|\\.)*)((?:\[[0-9]+\])*)$/.exec(part);
    if (!match || (match[1] === "" && match[2] === ""))
      throw new Error(`"${text}" is not a key; wanted a.b or list[0].a`);
    if (match[1] !== "") steps.push(withoutEscapes(match[1]!));
    for (const index of match[2]!.matchAll(/\[([0-9]+)\]/g)) {
      if (Number(index[1]) > MAX_INDEX) throw new Error(`index ${index[1]} is above ${MAX_INDEX}`);
      steps.push(Number(index[1]));
    }
  }
  return steps;
}

/** A copy of `tree` with `value` at `path`; maps and lists on the way are made as needed. */
export function setPath(tree: Tree, path: readonly Step[], value: unknown): Tree {
  return put(tree, path, value) as Tree;
}

function put(node: unknown, path: readonly Step[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (typeof step === "number") {
    const list = Array.isArray(node) ? [...node] : [];
    list[step] = put(list[step], rest, value);
    return Array.from(list, (item) => item ?? null);
  }
  const map = typeof node === "object" && node !== null && !Array.isArray(node) ? (node as Tree) : {};
  return { ...map, [step]: put(map[step], rest, value) };
}

/** Splits at `separator` outside braces and not after a backslash. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "{") depth++;
    else if (character === "}") depth--;
    else if (character === separator && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

function findUnescaped(text: string, wanted: string): number {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === wanted) return at;
  }
  return -1;
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(.)/g, "$1");
}
