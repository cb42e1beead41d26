import { type Manifest, podTemplatePath } from "./workload.ts";

/** What a value must be: text, a list or a map of such, or a map in which some keys are known. */
type Shape = "text" | { readonly listOf: Shape } | { readonly mapOf: Shape } | { readonly keys: Record<string, Shape> };

const METADATA: Shape = { keys: { name: "text", annotations: { mapOf: "text" }, labels: { mapOf: "text" } } };
const ANYTHING: Shape = { keys: {} };
const CONTAINERS: Shape = {
  listOf: {
    keys: { name: "text", ports: { listOf: ANYTHING }, env: { listOf: ANYTHING }, volumeMounts: { listOf: ANYTHING } },
  },
};
const POD_SPEC: Shape = {
  keys: { containers: CONTAINERS, initContainers: CONTAINERS, volumes: { listOf: ANYTHING } },
};

/**
 * The first thing of an object that injection reads and that is not of the kind Kubernetes knows it as, in words; undefined
 * when it can be read. For manifests that no API server has looked at.
 */
export function shapeError(object: Manifest): string | undefined {
  const path = podTemplatePath(object);
  if (path === undefined) return misfit(object, { keys: { metadata: METADATA } }, "");
  let shape: Shape = { keys: { metadata: METADATA, spec: POD_SPEC } };
  for (const key of path.split("/").slice(1).reverse()) shape = { keys: { [key]: shape } };
  return misfit(object, { keys: { metadata: METADATA } }, "") ?? misfit(object, shape, "");
}

function misfit(value: unknown, shape: Shape, path: string): string | undefined {
  if (value === undefined || value === null) return undefined; // absent: the API server says what is required
  if (shape === "text") return typeof value === "string" ? undefined : wanted(path, "text", value);
  if ("listOf" in shape) {
    if (!Array.isArray(value)) return wanted(path, "a list", value);
    return first(value.entries(), (item, index) => misfit(item, shape.listOf, `${path}[${index}]`));
  }
  if (typeof value !== "object" || Array.isArray(value)) return wanted(path, "a map", value);
  return first(Object.entries(value), (item, key) => {
    const known = "mapOf" in shape ? shape.mapOf : Object.hasOwn(shape.keys, key) ? shape.keys[key] : undefined;
    return known && misfit(item, known, path === "" ? key : `${path}.${key}`);
  });
}

function first<K>(
  entries: Iterable<[K, unknown]>,
  ask: (value: unknown, key: K) => string | undefined,
): string | undefined {
  for (const [key, value] of entries) {
    const answer = ask(value, key);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

function wanted(path: string, what: string, value: unknown): string {
  return `${path} must be ${what}, got ${JSON.stringify(value).slice(0, 40)}`;
}
