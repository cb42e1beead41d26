import type { Manifest } from "../object.ts";
import { type CrdOptions, definition } from "./definition.ts";
import { boolean, freeObject, int32, list, object, type Schema, string } from "./schema.ts";

/** A quantity as Kubernetes writes it. */
const QUANTITY =
  "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$";

/** Routes, retries and timeouts of a service as Linkerd had them before HTTPRoute. */
export function serviceProfile(options: CrdOptions): Manifest {
  return definition(options, {
    group: "linkerd.io",
    kind: "ServiceProfile",
    plural: "serviceprofiles",
    shortNames: ["sp"],
    versions: [
      { name: "v1alpha1", spec: spec(true), specOptional: true },
      { name: "v1alpha2", spec: spec(false), specOptional: true, storage: true },
    ],
  });
}

function spec(routesRequired: boolean): Schema {
  const weight: Schema = {
    "x-kubernetes-int-or-string": true,
    anyOf: [{ type: "integer" }, { type: "string" }],
    pattern: QUANTITY,
  };
  return object({
    dstOverrides: list(object({ authority: string(), weight })),
    opaquePorts: list(string()),
    retryBudget: object({
      "minRetriesPerSecond!": int32(),
      "retryRatio!": { type: "number", format: "float" },
      "ttl!": string(),
    }),
    [routesRequired ? "routes!" : "routes"]: list(route()),
  });
}

function route(): Schema {
  return object({
    "name!": string(),
    // `not` is a list here by Linkerd's schema; inside `all` and `any` it may be one condition.
    "condition!": object({
      pathRegex: string(),
      method: string(),
      all: list(freeObject),
      any: list(freeObject),
      not: list(freeObject),
    }),
    isRetryable: boolean(),
    timeout: string(),
    responseClasses: list(
      object({
        "condition!": object({
          status: object({ min: int32(), max: int32() }),
          all: list(freeObject),
          any: list(freeObject),
          not: freeObject,
        }),
        isFailure: boolean(),
      }),
    ),
  });
}
