import { type LabelPredicate, parseSelector } from "#kube/types";
import { isObject, type KubeObject } from "../store/object.ts";
import { StatusError } from "../store/status.ts";

export type Predicate = (object: KubeObject) => boolean;

/** `a=b,c!=d,e in (f,g),h,!i` as a test; undefined for an empty selector (everything). BadRequest when malformed. */
export function parseLabelSelector(text: string | null | undefined): LabelPredicate | undefined {
  if (!text?.trim()) return undefined;
  try {
    return parseSelector(text);
  } catch (error) {
    throw StatusError.badRequest(`unable to parse requirement: ${(error as Error).message}`);
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
