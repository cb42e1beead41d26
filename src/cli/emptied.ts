type Tree = Record<string, unknown>;

/** A copy of `changed` without the label and annotation maps that had entries in `original` and lost them all. */
export function withoutEmptied<T>(changed: T, original: unknown): T {
  if (!isTree(changed) || !isTree(original)) return changed;
  const kept: Tree = {};
  for (const [key, value] of Object.entries(changed)) {
    const isEmptied = (key === "annotations" || key === "labels") && isEmpty(value) && !isEmpty(original[key]);
    if (!isEmptied) kept[key] = withoutEmptied(value, original[key]);
  }
  return kept as T;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

function isEmpty(value: unknown): boolean {
  return isTree(value) && Object.keys(value).length === 0;
}
