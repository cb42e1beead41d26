// Generates src/playground/schema/builtin-types.json and builtin-docs.json from the type declarations that
// kubernetes-types publishes (made from Kubernetes' own OpenAPI). Run after a change of that package's version.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface TypeRow {
  /** Field → type: `string`, `integer`, `boolean`, `any`, `int-or-string`, `quantity`, `time`, a type's name, or one of these after `[]` or `{}`. */
  f: Record<string, string>;
  /** Required fields. */
  r?: string[];
}

const root = join(import.meta.dirname, "..");
const home = join(root, "node_modules", "kubernetes-types");
const out = join(root, "src", "playground", "schema");

const SCALARS: Record<string, string> = {
  "meta/v1.Time": "time",
  "meta/v1.MicroTime": "time",
  "api/resource.Quantity": "quantity",
  "meta/v1.FieldsV1": "any",
  "apiextensions/v1.JSON": "any",
  "apiextensions/v1.JSONSchemaProps": "any", // its x-kubernetes-* fields are not declared; schema/crd.ts checks these
  "apiextensions/v1.JSONSchemaPropsOrBool": "any",
  "apiextensions/v1.JSONSchemaPropsOrArray": "any",
  "apiextensions/v1.JSONSchemaPropsOrStringArray": "any",
};

const ROOTS = [
  "core/v1",
  "apps/v1",
  "batch/v1",
  "autoscaling/v1",
  "autoscaling/v2",
  "policy/v1",
  "networking/v1",
  "discovery/v1",
  "coordination/v1",
  "rbac/v1",
  "admissionregistration/v1",
  "apiextensions/v1",
  "storage/v1",
  "scheduling/v1",
  "authentication/v1",
  "authorization/v1",
  "meta/v1",
];

const types: Record<string, TypeRow> = {};
const docs: Record<string, Record<string, string>> = {};

/** Fields that the published declarations leave out of a type (they come from an embedded one). */
const MISSING: Record<string, Record<string, string>> = {
  "admissionregistration/v1.RuleWithOperations": { resources: "[]string", scope: "string" },
  "admissionregistration/v1.NamedRuleWithOperations": { resources: "[]string", scope: "string" },
};

for (const module of ROOTS) readModule(module);
for (const [name, fields] of Object.entries(MISSING)) Object.assign(types[name]!.f, fields);
const reachable = new Set<string>();
for (const name of Object.keys(types)) if (types[name]!.f["kind"] && types[name]!.f["metadata"]) reach(name);
for (const extra of ["meta/v1.DeleteOptions", "meta/v1.ObjectMeta"]) reach(extra);

writeFileSync(join(out, "builtin-types.json"), `${lines(types, (name) => reachable.has(name))}\n`);
writeFileSync(join(out, "builtin-docs.json"), `${lines(docs, (name) => reachable.has(name))}\n`);
process.stdout.write(`${reachable.size} types from ${readdirSync(home).length} groups\n`);

function lines(table: Record<string, unknown>, keep: (name: string) => boolean): string {
  const rows = Object.keys(table)
    .filter(keep)
    .sort()
    .map((name) => `${JSON.stringify(name)}:${JSON.stringify(table[name])}`);
  return `{\n${rows.join(",\n")}\n}`;
}

function reach(name: string): void {
  if (reachable.has(name) || !types[name]) return;
  reachable.add(name);
  for (const type of Object.values(types[name].f)) reach(type.replace(/^(\[\]|\{\})+/, ""));
}

function readModule(module: string): void {
  const text = readFileSync(join(home, `${module}.d.ts`), "utf8");
  const origin = new Map<string, string>();
  for (const [, names, from] of text.matchAll(/^import \{ ([^}]+) \} from "\.\.\/([^"]+)";/gm))
    for (const name of names!.split(",")) origin.set(name.trim(), from!);
  const pattern = /(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n)?export interface (\w+) (?:extends [^{]*)?\{([\s\S]*?)\n\}/g;
  for (const [, doc, name, body] of text.matchAll(pattern)) {
    const key = `${module}.${name}`;
    const row: TypeRow = { f: {} };
    docs[key] = { "": tidy(doc) };
    const field =
      /(?:\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n\s*)?^ {4}(?:readonly )?"?([$\w-]+)"?(\?)?: (.+|\{\n {8}\[name: string\]: .+;\n {4}\});$/gm;
    for (const [, fieldDoc, fieldName, optional, type] of body!.matchAll(field)) {
      row.f[published(fieldName!)] = typeOf(type!, module, origin);
      if (!optional) row.r = [...(row.r ?? []), published(fieldName!)];
      if (fieldDoc) docs[key]![published(fieldName!)] = tidy(fieldDoc);
    }
    types[key] = row;
  }
}

/** The declarations write `x_kubernetes_y` for what the API calls `x-kubernetes-y`. */
function published(field: string): string {
  return field.startsWith("x_kubernetes") ? field.replaceAll("_", "-") : field;
}

function typeOf(text: string, module: string, origin: Map<string, string>): string {
  const list = /^Array<(.+)>$/.exec(text) ?? /^(.+)\[\]$/.exec(text);
  if (list) return `[]${typeOf(list[1]!, module, origin)}`;
  const map = /^\{\s*\[name: string\]: (.+?);?\s*\}$/.exec(text);
  if (map) return `{}${typeOf(map[1]!, module, origin)}`;
  if (text === "string" || text === "boolean") return text;
  if (text === "number") return "integer";
  if (/^"[^"]+"$/.test(text)) return "string";
  if (text === "number | string") return "int-or-string";
  if (!/^\w+$/.test(text)) return "any";
  const full = `${origin.get(text) ?? module}.${text}`;
  return SCALARS[full] ?? (full.startsWith("runtime.") || full.startsWith("util/") ? "any" : full);
}

function tidy(doc: string | undefined): string {
  return (doc ?? "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trim())
    .join("\n")
    .trim();
}
