import { celFindings } from "../schema/cel.ts";
import { crdFindings } from "../schema/crd.ts";
import { setBuiltinDefaults } from "../schema/defaults.ts";
import { builtinFindings, metadataFindings } from "../schema/rules.ts";
import { validateSchema } from "../schema/validate.ts";
import { decodeMismatch, dropNulls, pruneUnknown, setDefaults } from "../schema/walk.ts";
import { cloneObject, isObject, type KubeObject, type ObjectMeta } from "../store/object.ts";
import { apiVersionOf, type ResourceType } from "../store/resources.ts";
import { type StatusCause, StatusError } from "../store/status.ts";
import { dropMetaNulls } from "./object-rules.ts";
import type { Types } from "./types.ts";
import type { WriteContext } from "./write-context.ts";

/** Reads a body as an object of the type: identity, unknown fields, JSON types. A copy. */
export function decodeObject(
  types: Types,
  type: ResourceType,
  namespace: string | undefined,
  input: unknown,
  context: WriteContext,
): KubeObject {
  if (!isObject(input)) throw StatusError.badRequest(`Cannot read ${type.kind}: wanted a JSON object`);
  const object = cloneObject(input) as unknown as KubeObject;
  if (!isObject(object.metadata)) object.metadata = {} as ObjectMeta;
  checkIdentity(type, namespace, object);
  const schema = types.schemaOf(type);
  dropNulls(object, schema);
  dropMetaNulls(object.metadata);
  const unknown = pruneUnknown(object, schema, true);
  if (unknown.length > 0) reportUnknown(type, unknown, context);
  if (!type.isCustom) {
    const mismatch = decodeMismatch(object, schema, "");
    if (mismatch)
      throw StatusError.badRequest(
        `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: ${mismatch}`,
      );
  }
  return object;
}

function checkIdentity(type: ResourceType, namespace: string | undefined, object: KubeObject): void {
  const wanted = apiVersionOf(type);
  if (object.kind !== undefined && object.kind !== type.kind)
    throw StatusError.badRequest(
      `${object.kind} in version "${object.apiVersion}" cannot be handled as a ${type.kind}`,
    );
  if (object.apiVersion !== undefined && object.apiVersion !== wanted)
    throw StatusError.badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${wanted})`,
    );
  object.apiVersion = wanted;
  object.kind = type.kind;
  if (!type.isNamespaced) {
    delete object.metadata.namespace;
    return;
  }
  object.metadata.namespace ||= namespace ?? "default";
  if (namespace !== undefined && object.metadata.namespace !== namespace)
    throw StatusError.badRequest(
      `the namespace of the provided object does not match the namespace sent on the request`,
    );
}

function reportUnknown(type: ResourceType, unknown: string[], context: WriteContext): void {
  const texts = unknown.map((path) => `unknown field ${JSON.stringify(path)}`);
  if (context.fieldValidation === "Strict")
    throw StatusError.badRequest(
      type.isCustom
        ? `strict decoding error: ${texts.join(", ")}`
        : `${type.kind} in version "${type.version}" cannot be handled as a ${type.kind}: strict decoding error: ${texts.join(", ")}`,
    );
  if (context.fieldValidation === "Warn") for (const text of texts) context.warn(text);
}

/** Fills in what the type's defaults say. */
export function setObjectDefaults(types: Types, type: ResourceType, object: KubeObject): void {
  if (type.isCustom) setDefaults(object, types.schemaOf(type));
  else setBuiltinDefaults(type.kind, object);
}

/** Throws Invalid with everything that is wrong with an object, or with how it changed. */
export function checkObject(types: Types, type: ResourceType, object: KubeObject, old: KubeObject | undefined): void {
  const found: StatusCause[] = metadataFindings(type.kind, object.metadata);
  if (type.isCustom) {
    const schema = types.schemaOf(type);
    const wrong = validateSchema(object, schema);
    found.push(...wrong);
    if (wrong.length === 0) found.push(...celFindings(object, old, schema));
  } else {
    found.push(...builtinFindings(type.kind, object, old));
    if (type.kind === "CustomResourceDefinition") found.push(...crdFindings(object));
  }
  if (found.length > 0) throw StatusError.invalid(type.kind, type.group, object.metadata.name, found);
}
