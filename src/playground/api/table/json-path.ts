import { isObject } from "../../store/object.ts";

/**
 * The values a CRD column's path finds: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`,
 * `.spec.hosts[*]`, `.metadata.labels['a\.b']`. Unreadable paths find nothing.
 */
export function readJsonPath(root: unknown, path: string): unknown[] {
  const steps = parse(path.replace(/^\{|\}$/g, "").replace(/^\$/, ""));
  if (!steps) return [];
  return steps.reduce<unknown[]>((values, step) => values.flatMap((value) => take(value, step)), [root]);
}

type Step = { field: string } | { index: number } | { every: true } | { where: string; equals: string };

function parse(path: string): Step[] | undefined {
  const steps: Step[] = [];
  let rest = path;
  while (rest !== "") {
    const match =
      /^\.?\['((?:[^'\\]|\\.)*)'\]/.exec(rest) ??
      /^\[\?\(@\.([\w./-]+)\s*==\s*["']([^"']*)["']\)\]/.exec(rest) ??
      /^\[(-?\d+|\*)\]/.exec(rest) ??
      /^\.((?:[^.[\\]|\\.)+)/.exec(rest);
    if (!match) return undefined;
    rest = rest.slice(match[0].length);
    if (match[2] !== undefined) steps.push({ where: match[1]!, equals: match[2] });
    else if (match[0].startsWith("[") && !match[0].startsWith("['"))
      steps.push(match[1] === "*" ? { every: true } : { index: Number(match[1]) });
    else steps.push({ field: match[1]!.replace(/\\(.)/g, "$1") });
  }
  return steps;
}

function take(value: unknown, step: Step): unknown[] {
  if ("field" in step) {
    const found = isObject(value) && Object.hasOwn(value, step.field) ? value[step.field] : undefined;
    return found === undefined ? [] : [found];
  }
  const items = Array.isArray(value) ? value : "every" in step && isObject(value) ? Object.values(value) : [];
  if ("every" in step) return items;
  if ("index" in step) return items.slice(step.index, step.index === -1 ? undefined : step.index + 1);
  return items.filter((item) => String(readJsonPath(item, `.${step.where}`)[0] ?? "") === step.equals);
}
