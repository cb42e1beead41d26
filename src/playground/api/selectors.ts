import { isObject, type KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";

export type Predicate = (object: KubeObject) => boolean;

interface Requirement {
  readonly key: string;
  readonly operator: "=" | "!=" | "in" | "notin" | "exists" | "!";
  readonly values: readonly string[];
}

/** `a=b,c!=d,e in (f,g),h,!i` as a test; undefined for an empty selector (everything). BadRequest when malformed. */
export function parseLabelSelector(
  text: string | null | undefined,
): ((labels: Record<string, string>) => boolean) | undefined {
  if (!text?.trim()) return undefined;
  const requirements = splitTop(text).map(parseRequirement);
  return (labels) => requirements.every((requirement) => meets(labels, requirement));
}

/** Commas outside parentheses. */
function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return [...parts, text.slice(from)].map((part) => part.trim()).filter((part) => part !== "");
}

const KEY = "[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?";
const VALUE = "(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?";
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUALITY = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);

function parseRequirement(part: string): Requirement {
  const set = SET.exec(part);
  if (set) return { key: set[1]!, operator: set[2] as "in" | "notin", values: set[3]!.split(",").map((v) => v.trim()) };
  const equality = EQUALITY.exec(part);
  if (equality) return { key: equality[1]!, operator: equality[2] === "!=" ? "!=" : "=", values: [equality[3] ?? ""] };
  const exists = EXISTS.exec(part);
  if (exists) return { key: exists[2]!, operator: exists[1] ? "!" : "exists", values: [] };
  throw StatusError.badRequest(
    `unable to parse requirement: cannot read "${part}" of a label selector: wanted key=value, key!=value, key in (a,b), key notin (a,b), key or !key`,
  );
}

function meets(labels: Record<string, string>, { key, operator, values }: Requirement): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "=":
    case "in":
      return value !== undefined && values.includes(value);
    case "!=":
    case "notin":
      return value === undefined || !values.includes(value);
  }
}

/** `metadata.name=x,status.phase!=Running` on any dotted path; undefined when empty. BadRequest when malformed. */
export function parseFieldSelector(text: string | null | undefined): Predicate | undefined {
  if (!text?.trim()) return undefined;
  const requirements = text.split(",").map((part) => {
    const match = /^\s*([\w.[\]/-]+)\s*(==|=|!=)(.*)$/.exec(part);
    if (!match)
      throw StatusError.badRequest(`invalid field selector: cannot read "${part}": wanted path=value or path!=value`);
    return { path: match[1]!.split("."), isEqual: match[2] !== "!=", value: match[3]!.trim() };
  });
  return (object) => requirements.every(({ path, isEqual, value }) => (textAt(object, path) === value) === isEqual);
}

function textAt(object: KubeObject, path: string[]): string {
  let value: unknown = object;
  for (const field of path) value = isObject(value) && Object.hasOwn(value, field) ? value[field] : undefined;
  return value === undefined || value === null ? "" : String(value);
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** A selector as objects carry it. Undefined selects nothing; `{}` selects everything. */
export function matchesSelector(
  selector: LabelSelector | undefined,
  labels: Record<string, string> | undefined,
): boolean {
  if (!selector) return false;
  const have = labels ?? {};
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (have[key] !== value) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values }) => {
    const kinds = { In: "in", NotIn: "notin", Exists: "exists", DoesNotExist: "!" } as const;
    const kind = kinds[operator as keyof typeof kinds];
    return kind !== undefined && meets(have, { key, operator: kind, values: values ?? [] });
  });
}

/** A selector of an object as text: `a=b,c in (d,e)`. */
export function selectorText(selector: LabelSelector | undefined): string {
  const equal = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const sets = (selector?.matchExpressions ?? []).map(({ key, operator, values }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator.toLowerCase()} (${(values ?? []).join(",")})`;
  });
  return [...equal, ...sets].join(",");
}

/** Both selectors of a request as one test. */
export function selectorPredicate(
  label: string | null | undefined,
  field: string | null | undefined,
): Predicate | undefined {
  const byLabel = parseLabelSelector(label);
  const byField = parseFieldSelector(field);
  if (!byLabel && !byField) return undefined;
  return (object) => (byLabel?.(object.metadata.labels ?? {}) ?? true) && (byField?.(object) ?? true);
}
