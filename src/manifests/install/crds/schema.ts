/** A structural schema of a custom resource, as `openAPIV3Schema` holds it. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Record<string, Schema>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly oneOf?: readonly { required: readonly string[] }[];
  readonly anyOf?: readonly Schema[];
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-validations"?: readonly { message: string; rule: string }[];
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
}

type Extra = Omit<Schema, "type" | "properties" | "items">;

/** An object; a name that ends in `!` is required: `{ "name!": string() }`. */
export function object(fields: Record<string, Schema>, extra: Extra = {}): Schema {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  for (const [name, schema] of Object.entries(fields)) {
    const bare = name.replace(/!$/, "");
    if (bare !== name) required.push(bare);
    properties[bare] = schema;
  }
  return { type: "object", ...(required.length > 0 ? { required } : {}), properties, ...extra };
}

export function list(items: Schema, extra: Extra = {}): Schema {
  return { type: "array", items, ...extra };
}

export function string(extra: Extra = {}): Schema {
  return { type: "string", ...extra };
}

/** Text of `min` to `max` characters. */
export function text(min: number, max: number, extra: Extra = {}): Schema {
  return string({ minLength: min, maxLength: max, ...extra });
}

export function choice(...values: string[]): Schema {
  return string({ enum: values });
}

export function int32(extra: Extra = {}): Schema {
  return { type: "integer", format: "int32", ...extra };
}

export function int64(extra: Extra = {}): Schema {
  return { type: "integer", format: "int64", ...extra };
}

export function boolean(): Schema {
  return { type: "boolean" };
}

export const port: Schema = int32({ minimum: 1, maximum: 65535 });
export const intOrString: Schema = { "x-kubernetes-int-or-string": true };
/** Anything at all. */
export const freeObject: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
/** A DNS name in lower case, or nothing for the core group. */
export const group: Schema = string({ maxLength: 253, pattern: `^$|^${LABEL}(\\.${LABEL})*$` });
export const kind: Schema = text(1, 63, { pattern: "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$" });
export const name: Schema = text(1, 253);
export const namespaceName: Schema = text(1, 63, { pattern: `^${LABEL}$` });
/** A DNS name that may start with the label `*`. */
export const hostname: Schema = text(1, 253, { pattern: `^(\\*\\.)?${LABEL}(\\.${LABEL})*$` });

/** A label selector; with `exclusive`, one of its two halves and not both. */
export function selector(exclusive = false): Schema {
  const operator = choice("In", "NotIn", "Exists", "DoesNotExist");
  const expressions = list(object({ "key!": string(), "operator!": operator, values: list(string()) }));
  const halves = [{ required: ["matchExpressions"] }, { required: ["matchLabels"] }];
  return object(
    { matchLabels: { type: "object", "x-kubernetes-preserve-unknown-fields": true }, matchExpressions: expressions },
    exclusive ? { oneOf: halves } : {},
  );
}

/** A condition of a status. */
export function condition(): Schema {
  return object({
    "lastTransitionTime!": string({ format: "date-time" }),
    "message!": string({ maxLength: 32768 }),
    observedGeneration: int64({ minimum: 0 }),
    "reason!": text(1, 1024, { pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$" }),
    "status!": choice("True", "False", "Unknown"),
    "type!": string({
      maxLength: 316,
      pattern: `^(${LABEL}(\\.${LABEL})*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`,
    }),
  });
}

/** A condition of which only what is written is checked. */
export function looseCondition(): Schema {
  return object({
    lastTransitionTime: string({ format: "date-time" }),
    message: string(),
    reason: string(),
    status: string(),
    type: string(),
  });
}

/** Networks with their exceptions. */
export const networks: Schema = list(object({ "cidr!": string(), except: list(string()) }));
