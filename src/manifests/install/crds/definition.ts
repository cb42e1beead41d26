import { ANNOTATIONS, LABELS } from "#contracts/labels";
import type { Manifest } from "../object.ts";
import { type Schema, string } from "./schema.ts";

export interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly type?: string;
  readonly description?: string;
}

export interface Version {
  readonly name: string;
  readonly spec: Schema;
  readonly status?: Schema;
  /** `spec` may be missing. */
  readonly specOptional?: boolean;
  readonly storage?: boolean;
  readonly subresource?: boolean;
  readonly deprecationWarning?: string;
  readonly columns?: readonly Column[];
}

export interface Definition {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly annotations?: Record<string, string>;
  readonly versions: readonly Version[];
}

export interface CrdOptions {
  readonly namespace: string;
  readonly createdBy: string;
}

export const ageColumn: Column = { name: "Age", jsonPath: ".metadata.creationTimestamp", type: "date" };

/** The CustomResourceDefinition of a namespaced kind. */
export function definition(options: CrdOptions, what: Definition): Manifest {
  const { group, kind, plural, shortNames, categories } = what;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${group}`,
      annotations: { ...what.annotations, [ANNOTATIONS.createdBy]: options.createdBy },
      labels: { "helm.sh/chart": "linkerd-crds-1.0.0-edge", [LABELS.controlPlaneNs]: options.namespace },
    },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames ? { shortNames } : {}),
        ...(categories ? { categories } : {}),
      },
      scope: "Namespaced",
      versions: what.versions.map(version),
    },
  };
}

function version(what: Version): Record<string, unknown> {
  return {
    name: what.name,
    served: true,
    storage: what.storage ?? false,
    ...(what.deprecationWarning ? { deprecated: true, deprecationWarning: what.deprecationWarning } : {}),
    ...(what.columns
      ? { additionalPrinterColumns: what.columns.map(({ type = "string", ...column }) => ({ ...column, type })) }
      : {}),
    ...(what.subresource ? { subresources: { status: {} } } : {}),
    schema: { openAPIV3Schema: whole(what) },
  };
}

function whole({ spec, status, specOptional }: Version): Schema {
  return {
    type: "object",
    ...(specOptional ? {} : { required: ["spec"] }),
    properties: {
      apiVersion: string(),
      kind: string(),
      metadata: { type: "object" },
      spec,
      ...(status ? { status } : {}),
    },
  };
}
