import {
  choice,
  condition,
  group,
  hostname,
  int32,
  kind,
  list,
  name,
  namespaceName,
  object,
  port,
  type Schema,
  string,
  text,
} from "./schema.ts";

/** Parts that route kinds of both API groups share. */

export const hostnames: Schema = list(hostname, { maxItems: 16 });
const sectionName = text(1, 253);
const headerName = text(1, 256, { pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$" });
const duration = string({ pattern: "^([0-9]{1,5}(h|m|s|ms)){1,4}$" });

export interface Rule {
  readonly message: string;
  readonly rule: string;
}

/** Validation in CEL. */
export function valid(...rules: Rule[]): { "x-kubernetes-validations": Rule[] } {
  return { "x-kubernetes-validations": rules };
}

/** What a route attaches to; `own` is the group that is meant when none is given. */
export function parentReference(own: string): Schema {
  return object({
    group: { ...group, default: own },
    kind: { ...kind, default: "Gateway" },
    "name!": name,
    namespace: namespaceName,
    port,
    sectionName,
  });
}

export function routeStatus(own: string): Schema {
  const parent = object({
    "parentRef!": parentReference(own),
    "controllerName!": text(1, 253, {
      pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+$",
    }),
    conditions: list(condition(), {
      minItems: 1,
      maxItems: 8,
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["type"],
    }),
  });
  return object({ "parents!": list(parent, { maxItems: 32 }) });
}

export const headerModifier: Schema = object({
  add: list(object({ "name!": headerName, "value!": text(1, 4096) }), named()),
  remove: list(string(), { maxItems: 16, "x-kubernetes-list-type": "set" }),
  set: list(object({ "name!": headerName, "value!": text(1, 4096) }), named()),
});

function named(): Pick<Schema, "maxItems" | "x-kubernetes-list-type" | "x-kubernetes-list-map-keys"> {
  return { maxItems: 16, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] };
}

const pathModifierRules = [
  pathModifierRule("ReplaceFullPath", "replaceFullPath"),
  pathModifierRule("ReplacePrefixMatch", "replacePrefixMatch"),
];

function pathModifierRule(type: string, field: string): Rule {
  return { message: `type must be ${type} when, and only when, ${field} is set`, rule: same(type, field) };
}

function same(type: string, field: string): string {
  return `has(self.${field}) == (self.type == '${type}')`;
}

export const pathModifier: Schema = object(
  {
    "type!": choice("ReplaceFullPath", "ReplacePrefixMatch"),
    replaceFullPath: string({ maxLength: 1024 }),
    replacePrefixMatch: string({ maxLength: 1024 }),
  },
  valid(...pathModifierRules),
);

export const requestRedirect: Schema = object({
  scheme: choice("http", "https"),
  hostname: text(1, 253, { pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" }),
  path: pathModifier,
  port,
  statusCode: { type: "integer", default: 302, minimum: 301, maximum: 302 },
});

/** Requests that a rule applies to. */
export function httpMatch(rules: readonly Rule[] = []): Schema {
  const how = (value: Schema, key: Schema) =>
    object({
      "name!": key,
      type: string({ enum: ["Exact", "RegularExpression"], default: "Exact" }),
      "value!": value,
    });
  return object({
    headers: list(how(text(1, 4096), headerName), named()),
    method: choice("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"),
    path: object(
      {
        type: string({ enum: ["Exact", "PathPrefix", "RegularExpression"], default: "PathPrefix" }),
        value: string({ maxLength: 1024, default: "/" }),
      },
      { default: { type: "PathPrefix", value: "/" }, ...(rules.length > 0 ? valid(...rules) : {}) },
    ),
    queryParams: list(how(text(1, 1024), headerName), named()),
  });
}

export const anyPath = { path: { type: "PathPrefix", value: "/" } };

export const timeouts: Schema = object({ request: duration, backendRequest: duration });

/** A reference to what serves the traffic. */
export function backendFields(): Record<string, Schema> {
  return {
    group: { ...group, default: "" },
    kind: { ...kind, default: "Service" },
    "name!": name,
    namespace: namespaceName,
    port,
    weight: int32({ minimum: 0, maximum: 1_000_000, default: 1 }),
  };
}

export const portForService: Rule = {
  message: "Must have port for Service reference",
  rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
};

/** One filter: its `type` and the field of that type, both or neither. */
export function filter(kinds: Record<string, { field: string; schema: Schema }>): Schema {
  const fields: Record<string, Schema> = { "type!": choice(...Object.keys(kinds)) };
  const rules: Rule[] = [];
  for (const [type, { field, schema }] of Object.entries(kinds)) {
    fields[field] = schema;
    rules.push({
      message: `filter.${field} must be set when, and only when, type is ${type}`,
      rule: same(type, field),
    });
  }
  return object(fields, valid(...rules));
}
