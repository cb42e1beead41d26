import { createHash } from "node:crypto";
import { typeSchema } from "../schema/builtin.ts";
import type { Schema } from "../schema/schema.ts";
import type { ResourceType } from "../store/resources.ts";
import type { Call } from "./call.ts";
import { unknownResource } from "./request-info.ts";
import { sendJson, sendText } from "./respond.ts";

type Docs = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * `/openapi/v2` as an empty document. Clients ask it for kinds that v3 does not know and then say so in their own words;
 * kubectl before 1.29 insists on it and validates nothing with it.
 */
export function openApiV2(call: Call): void {
  const text = `\n\u00032.0`; // protobuf of openapi.v2.Document{swagger: "2.0"}
  const accept = call.request.headers.accept ?? "";
  if (accept.includes("protobuf"))
    sendText(call.response, 200, text, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  else sendJson(call, 200, { swagger: "2.0", info: { title: "Kubernetes", version: "playground" }, paths: {} });
}

/** `/openapi/v3` and its documents, one per group and version. Clients cache each by the hash in its address. */
export async function openApi(call: Call): Promise<void> {
  const path = call.url.pathname.replace(/^\/openapi\/v3\/?/, "");
  if (path === "") return sendJson(call, 200, { paths: index(call) });
  const match = /^(?:api|apis\/([^/]+))\/([^/]+)$/.exec(path);
  const types = match ? typesOf(call, match[1] ?? "", match[2]!) : [];
  if (types.length === 0) throw unknownResource();
  const { default: docs } = await import("../schema/builtin-docs.json", { with: { type: "json" } });
  sendJson(call, 200, document(call, types, docs as unknown as Docs));
}

function typesOf(call: Call, group: string, version: string): ResourceType[] {
  return call.parts.types.registry.all().filter((type) => type.group === group && type.version === version);
}

function rootOf(type: ResourceType): string {
  return type.group ? `apis/${type.group}/${type.version}` : `api/${type.version}`;
}

function index(call: Call): Record<string, unknown> {
  const paths: Record<string, unknown> = {};
  for (const type of call.parts.types.registry.all()) {
    const root = rootOf(type);
    paths[root] ??= { serverRelativeURL: `/openapi/v3/${root}?hash=${hash(call, type)}` };
  }
  return paths;
}

/** Changes when a definition of the group-version changes. */
function hash(call: Call, type: ResourceType): string {
  const digest = createHash("sha256").update(FORMAT);
  for (const each of typesOf(call, type.group, type.version))
    digest.update(each.kind).update(each.isCustom ? JSON.stringify(call.parts.types.schemaOf(each)) : "");
  return digest.digest("hex").slice(0, 32).toUpperCase();
}

/** Grows when what we say of built-in kinds changes. */
const FORMAT = "1";

function document(call: Call, types: ResourceType[], docs: Docs): Record<string, unknown> {
  const schemas: Record<string, unknown> = {};
  const paths: Record<string, unknown> = {};
  for (const type of types) {
    const name = addKind(call, type, schemas, docs);
    const kind = { group: type.group, version: type.version, kind: type.kind };
    const scope = type.isNamespaced ? "/namespaces/{namespace}" : "";
    const base = `/${rootOf(type)}${scope}/${type.resource}`;
    paths[base] = { post: operation("post", kind, name) };
    if (type.verbs.includes("get"))
      paths[`${base}/{name}`] = {
        get: operation("get", kind, name),
        put: operation("put", kind, name),
        patch: operation("patch", kind, name),
        delete: operation("delete", kind, name),
      };
  }
  return { openapi: "3.0.0", info: { title: "Kubernetes", version: "playground" }, paths, components: { schemas } };
}

function operation(action: string, kind: object, name: string): Record<string, unknown> {
  const parameter = (title: string) => ({ name: title, in: "query", schema: { type: "string", uniqueItems: true } });
  const content = { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } };
  return {
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": kind,
    parameters: ["dryRun", "fieldManager", "fieldValidation"].map(parameter),
    ...(action === "patch" ? { requestBody: { content: PATCHES } } : {}),
    responses: { "200": { description: "OK", content } },
  };
}

// application/strategic-merge-patch+json is left out on purpose: with it kubectl computes patches from these schemas
// instead of from its own types.
const PATCHES = Object.fromEntries(
  ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"].map((media) => [
    media,
    { schema: { type: "object" } },
  ]),
);

function addKind(call: Call, type: ResourceType, schemas: Record<string, unknown>, docs: Docs): string {
  const schema = call.parts.types.schemaOf(type);
  const reversed = type.group.split(".").reverse().join(".");
  const name = type.isCustom
    ? `${reversed}.${type.version}.${type.kind}`
    : publicName(schema.typeName ?? `${type.group}/${type.version}.${type.kind}`);
  const body = type.isCustom ? customSchema(schema, schemas, docs) : builtinBody(schema, schemas, docs);
  schemas[name] = {
    ...body,
    "x-kubernetes-group-version-kind": [{ group: type.group, version: type.version, kind: type.kind }],
  };
  return name;
}

function customSchema(schema: Schema, schemas: Record<string, unknown>, docs: Docs): Record<string, unknown> {
  const properties = {
    apiVersion: { type: "string", description: docs["core/v1.Pod"]?.["apiVersion"] },
    kind: { type: "string", description: docs["core/v1.Pod"]?.["kind"] },
    ...schema.properties,
    metadata: reference("meta/v1.ObjectMeta", schemas, docs, "Standard object's metadata."),
  };
  return { ...schema, properties };
}

function builtinBody(schema: Schema, schemas: Record<string, unknown>, docs: Docs): Record<string, unknown> {
  if (!schema.typeName) return { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return describe(schema, schemas, docs);
}

function describe(schema: Schema, schemas: Record<string, unknown>, docs: Docs): Record<string, unknown> {
  const own = docs[schema.typeName!] ?? {};
  const properties = Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([field, inner]) => [
      field,
      published(inner, schemas, docs, own[field]),
    ]),
  );
  return {
    type: "object",
    description: own[""] ?? "",
    properties,
    ...(schema.required ? { required: schema.required } : {}),
  };
}

function published(
  schema: Schema,
  schemas: Record<string, unknown>,
  docs: Docs,
  description: string | undefined,
): Record<string, unknown> {
  const text = description ? { description } : {};
  if (schema.typeName) return reference(schema.typeName, schemas, docs, description);
  if (schema.items) return { ...schema, ...text, items: published(schema.items, schemas, docs, undefined) };
  if (typeof schema.additionalProperties === "object")
    return {
      ...schema,
      ...text,
      additionalProperties: published(schema.additionalProperties, schemas, docs, undefined),
    };
  if (schema["x-kubernetes-int-or-string"]) return { ...text, oneOf: [{ type: "integer" }, { type: "string" }] };
  const { nullable: _nullable, ...rest } = schema;
  return { type: "object", ...rest, ...text };
}

function reference(
  typeName: string,
  schemas: Record<string, unknown>,
  docs: Docs,
  description: string | undefined,
): Record<string, unknown> {
  const name = publicName(typeName);
  if (!schemas[name]) {
    schemas[name] = {}; // taken before going on: types may refer to themselves
    schemas[name] = describe(typeSchema(typeName), schemas, docs);
  }
  return { ...(description ? { description } : {}), allOf: [{ $ref: `#/components/schemas/${name}` }] };
}

/** `core/v1.Pod` as Kubernetes publishes it: `io.k8s.api.core.v1.Pod`. */
function publicName(typeName: string): string {
  const [module = "", rest = ""] = typeName.split("/");
  const prefix =
    module === "meta"
      ? "io.k8s.apimachinery.pkg.apis"
      : module === "apiextensions"
        ? "io.k8s.apiextensions-apiserver.pkg.apis"
        : "io.k8s.api";
  return `${prefix}.${module}.${rest}`;
}
