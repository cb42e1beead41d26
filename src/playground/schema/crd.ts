import { STORED_VERBS } from "../store/builtin.ts";
import { isObject, type KubeObject } from "../store/object.ts";
import type { ResourceType } from "../store/resources.ts";
import type { StatusCause } from "../store/status.ts";
import { compileCel } from "./cel.ts";
import type { Schema } from "./schema.ts";

export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
  readonly format?: string;
}

export interface CrdVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly deprecated?: boolean;
  readonly deprecationWarning?: string;
  readonly schema?: { openAPIV3Schema?: Schema };
  readonly subresources?: {
    status?: object;
    scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string };
  };
  readonly additionalPrinterColumns?: PrinterColumn[];
}

export interface CrdSpec {
  readonly group: string;
  readonly scope: "Namespaced" | "Cluster";
  readonly names: {
    plural: string;
    singular?: string;
    kind: string;
    listKind?: string;
    shortNames?: string[];
    categories?: string[];
  };
  readonly versions: CrdVersion[];
  readonly conversion?: { strategy?: string };
}

/** One version of a custom type with all that serving it takes. */
export interface CustomVersion {
  readonly type: ResourceType;
  readonly schema: Schema;
  readonly version: CrdVersion;
}

/** What a CustomResourceDefinition serves; versions that are not served are left out. */
export function customVersions(crd: KubeObject): CustomVersion[] {
  const spec = crd["spec"] as CrdSpec;
  return spec.versions
    .filter((version) => version.served)
    .map((version) => ({ type: typeOf(spec, version), schema: version.schema?.openAPIV3Schema ?? ANY, version }));
}

const ANY: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

function typeOf(spec: CrdSpec, version: CrdVersion): ResourceType {
  const { names } = spec;
  const hasStatus = version.subresources?.status !== undefined;
  return {
    group: spec.group,
    version: version.name,
    kind: names.kind,
    resource: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    isNamespaced: spec.scope === "Namespaced",
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    subresources: [...(version.subresources?.scale ? ["scale"] : []), ...(hasStatus ? ["status"] : [])],
    verbs: STORED_VERBS,
    hasStatus,
    isCustom: true,
  };
}

/** The status a definition gets as soon as it is accepted. */
export function acceptedStatus(crd: KubeObject, now: string): Record<string, unknown> {
  const spec = crd["spec"] as CrdSpec;
  const was = isObject(crd["status"]) && Array.isArray(crd["status"]["conditions"]) ? crd["status"]["conditions"] : [];
  const condition = (type: string, reason: string, message: string) =>
    was.find((old) => isObject(old) && old["type"] === type && old["status"] === "True") ?? {
      lastTransitionTime: now,
      message,
      reason,
      status: "True",
      type,
    };
  return {
    acceptedNames: spec.names,
    conditions: [
      condition("NamesAccepted", "NoConflicts", "no conflicts found"),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ],
    storedVersions: spec.versions.filter((version) => version.storage).map((version) => version.name),
  };
}

/** What is wrong with a definition. */
export function crdFindings(crd: KubeObject): StatusCause[] {
  const found: StatusCause[] = [];
  const spec = isObject(crd["spec"]) ? (crd["spec"] as unknown as CrdSpec) : undefined;
  const versions = Array.isArray(spec?.versions) ? spec.versions.filter(isObject) : [];
  const say = (reason: string, field: string, message: string) => void found.push({ reason, field, message });
  if (!spec?.group) say("FieldValueRequired", "spec.group", "Required value");
  if (spec?.scope !== "Namespaced" && spec?.scope !== "Cluster")
    say(
      "FieldValueNotSupported",
      "spec.scope",
      `Unsupported value: ${JSON.stringify(spec?.scope ?? "")}: supported values: "Cluster", "Namespaced"`,
    );
  if (!spec?.names?.plural) say("FieldValueRequired", "spec.names.plural", "Required value");
  if (!spec?.names?.kind) say("FieldValueRequired", "spec.names.kind", "Required value");
  if (spec?.names?.plural && crd.metadata.name !== `${spec.names.plural}.${spec.group}`)
    say(
      "FieldValueInvalid",
      "metadata.name",
      `Invalid value: ${JSON.stringify(crd.metadata.name)}: must be spec.names.plural+"."+spec.group`,
    );
  if (versions.filter((version) => version["storage"] === true).length !== 1)
    say(
      "FieldValueInvalid",
      "spec.versions",
      'Invalid value: "array": must have exactly one version marked as storage version',
    );
  if (spec?.conversion?.strategy === "Webhook")
    say(
      "FieldValueNotSupported",
      "spec.conversion.strategy",
      'Unsupported value: "Webhook": supported values: "None" (the playground converts no versions)',
    );
  for (const [i, version] of versions.entries()) {
    const schema = (version as unknown as CrdVersion).schema?.openAPIV3Schema;
    const at = `spec.versions[${i}].schema.openAPIV3Schema`;
    if (!schema) say("FieldValueRequired", at, "Required value: schemas are required");
    else schemaFindings(schema, at, found, 0);
  }
  return found;
}

const MAX_DEPTH = 64;

/** Structural rules that matter to us: types are given, rules and patterns can be read. */
function schemaFindings(schema: Schema, path: string, found: StatusCause[], depth: number): void {
  if (depth > MAX_DEPTH) {
    found.push({ reason: "FieldValueTooLong", field: path, message: `Too long: schemas may nest ${MAX_DEPTH} deep` });
    return;
  }
  const isOpen = schema["x-kubernetes-int-or-string"] || schema["x-kubernetes-preserve-unknown-fields"];
  if (!schema.type && !isOpen)
    found.push({
      reason: "FieldValueRequired",
      field: `${path}.type`,
      message: "Required value: must not be empty for specified object fields",
    });
  for (const [i, rule] of (schema["x-kubernetes-validations"] ?? []).entries()) {
    try {
      compileCel(rule.rule);
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message.split("\n")[0] : String(thrown);
      found.push({
        reason: "FieldValueInvalid",
        field: `${path}.x-kubernetes-validations[${i}].rule`,
        message: `Invalid value: ${JSON.stringify(rule.rule)}: compilation failed: ${why}`,
      });
    }
  }
  if (schema["x-kubernetes-list-type"] === "map" && !schema["x-kubernetes-list-map-keys"]?.length)
    found.push({
      reason: "FieldValueRequired",
      field: `${path}.x-kubernetes-list-map-keys`,
      message: "Required value: must not be empty if x-kubernetes-list-type is map",
    });
  for (const [field, inner] of Object.entries(schema.properties ?? {}))
    schemaFindings(inner, `${path}.properties[${field}]`, found, depth + 1);
  if (isObject(schema.additionalProperties))
    schemaFindings(schema.additionalProperties as Schema, `${path}.additionalProperties`, found, depth + 1);
  if (schema.items) schemaFindings(schema.items, `${path}.items`, found, depth + 1);
}
