import type { Manifest } from "../object.ts";
import { ageColumn, type Column, type CrdOptions, type Definition, definition } from "./definition.ts";
import {
  anyPath,
  backendFields,
  filter,
  headerModifier,
  hostnames,
  httpMatch,
  parentReference,
  pathModifier,
  portForService,
  type Rule,
  requestRedirect,
  routeStatus,
  timeouts,
  valid,
} from "./route-schema.ts";
import { group, kind, list, name, namespaceName, object, port, type Schema, string, text } from "./schema.ts";

const GROUP = "gateway.networking.k8s.io";
const hostnamesColumn: Column = { name: "Hostnames", jsonPath: ".spec.hostnames" };

/** The Gateway API's route kinds (experimental channel), for clusters that lack them. */
export function gatewayDefinitions(options: CrdOptions): Manifest[] {
  return [httpRoute(), grpcRoute(), streamRoute("TLSRoute"), streamRoute("TCPRoute")].map((what) =>
    definition(options, { ...what, categories: ["gateway-api"], annotations }),
  );
}

const annotations = {
  "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2997",
  "gateway.networking.k8s.io/bundle-version": "v1.1.1",
  "gateway.networking.k8s.io/channel": "experimental",
  "helm.sh/resource-policy": "keep",
};

const sameParent =
  "p1.group == p2.group && p1.kind == p2.kind && p1.name == p2.name && " +
  "(has(p1.__namespace__) ? p1.__namespace__ : '') == (has(p2.__namespace__) ? p2.__namespace__ : '')";
const sectionOf = (parent: string) => `(has(${parent}.sectionName) ? ${parent}.sectionName : '')`;
const portOf = (parent: string) => `(has(${parent}.port) ? ${parent}.port : 0)`;

function parents(): Schema {
  const unique =
    `self.all(p1, self.exists_one(p2, ${sameParent} && ` +
    `${sectionOf("p1")} == ${sectionOf("p2")} && ${portOf("p1")} == ${portOf("p2")}))`;
  return list(parentReference(GROUP), {
    maxItems: 32,
    ...valid({ message: "sectionName or port must be unique among references to the same parent", rule: unique }),
  });
}

const atMostOnce = (type: string): Rule => ({
  message: `${type} filter cannot be repeated`,
  rule: `self.filter(f, f.type == '${type}').size() <= 1`,
});

const objectReference = object({ "group!": group, "kind!": kind, "name!": name });
const mirror = object({
  "backendRef!": object(
    {
      group: { ...group, default: "" },
      kind: { ...kind, default: "Service" },
      "name!": name,
      namespace: namespaceName,
      port,
    },
    valid(portForService),
  ),
});
const modifierFilters = {
  RequestHeaderModifier: { field: "requestHeaderModifier", schema: headerModifier },
  ResponseHeaderModifier: { field: "responseHeaderModifier", schema: headerModifier },
  RequestMirror: { field: "requestMirror", schema: mirror },
  ExtensionRef: { field: "extensionRef", schema: objectReference },
};
const headerRules = [atMostOnce("RequestHeaderModifier"), atMostOnce("ResponseHeaderModifier")];

function httpFilters(): Schema {
  const rewrite = object({ hostname: text(1, 253), path: pathModifier });
  const kinds = {
    ...modifierFilters,
    RequestRedirect: { field: "requestRedirect", schema: requestRedirect },
    URLRewrite: { field: "urlRewrite", schema: rewrite },
  };
  return list(filter(kinds), {
    maxItems: 16,
    ...valid(
      {
        message: "May specify either RequestRedirect or URLRewrite, not both",
        rule: "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
      },
      ...headerRules,
      atMostOnce("RequestRedirect"),
      atMostOnce("URLRewrite"),
    ),
  });
}

const isPath = "(self.type in ['Exact', 'PathPrefix'])";
const pathRules: Rule[] = [
  {
    message: "value must be an absolute path and start with '/'",
    rule: `${isPath} ? self.value.startsWith('/') : true`,
  },
  ...["//", "/./", "/../", "%2f", "%2F", "#"].map((bad) => ({
    message: `must not contain '${bad}'`,
    rule: `${isPath} ? !self.value.contains('${bad}') : true`,
  })),
  ...["/..", "/."].map((bad) => ({
    message: `must not end with '${bad}'`,
    rule: `${isPath} ? !self.value.endsWith('${bad}') : true`,
  })),
];

function sessionPersistence(): Schema {
  return object({
    absoluteTimeout: string(),
    idleTimeout: string(),
    sessionName: string({ maxLength: 128 }),
    type: string({ enum: ["Cookie", "Header"], default: "Cookie" }),
    cookieConfig: object({ lifetimeType: string({ enum: ["Permanent", "Session"], default: "Session" }) }),
  });
}

function httpRoute(): Definition {
  const redirectAlone: Rule = {
    message: "RequestRedirect filter must not be used together with backendRefs",
    rule: "(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || self.filters.all(f, !has(f.requestRedirect))) : true",
  };
  const rule = object(
    {
      name: text(1, 253),
      backendRefs: list(object({ ...backendFields(), filters: httpFilters() }, valid(portForService)), {
        maxItems: 16,
      }),
      filters: httpFilters(),
      matches: list(httpMatch(pathRules), { maxItems: 64, default: [anyPath] }),
      sessionPersistence: sessionPersistence(),
      timeouts: {
        ...timeouts,
        ...valid({
          message: "backendRequest timeout cannot be longer than request timeout",
          rule: "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))",
        }),
      },
    },
    valid(redirectAlone, ...prefixRules()),
  );
  const version = {
    subresource: true,
    columns: [hostnamesColumn, ageColumn],
    spec: object({
      hostnames,
      parentRefs: parents(),
      rules: list(rule, { maxItems: 16, default: [{ matches: [anyPath] }] }),
    }),
    status: routeStatus(GROUP),
  };
  return {
    group: GROUP,
    kind: "HTTPRoute",
    plural: "httproutes",
    versions: [
      { name: "v1", storage: true, ...version },
      { name: "v1beta1", ...version },
    ],
  };
}

/** Replacing a prefix means something only when exactly one prefix was matched. */
function prefixRules(): Rule[] {
  const onePrefix =
    "(has(self.matches) && size(self.matches) == 1 && has(self.matches[0].path) && self.matches[0].path.type == 'PathPrefix')";
  return ["requestRedirect", "urlRewrite"].map((field) => ({
    message: `${field}.path.replacePrefixMatch needs exactly one match, of type PathPrefix`,
    rule: `(has(self.filters) && self.filters.exists(f, has(f.${field}) && has(f.${field}.path) && has(f.${field}.path.replacePrefixMatch))) ? ${onePrefix} : true`,
  }));
}

function grpcRoute(): Definition {
  const exact = (field: string, pattern: string): Rule => ({
    message: `${field} must only contain valid characters (matching ${pattern})`,
    rule: `(!has(self.type) || self.type == 'Exact') && has(self.${field}) ? self.${field}.matches('${pattern}') : true`,
  });
  const method = object(
    {
      type: string({ enum: ["Exact", "RegularExpression"], default: "Exact" }),
      service: string({ maxLength: 1024 }),
      method: string({ maxLength: 1024 }),
    },
    valid(
      {
        message: "One or both of 'service' or 'method' must be specified",
        rule: "has(self.service) || has(self.method)",
      },
      exact("service", "^(?i)\\\\.?[a-z_][a-z_0-9]*(\\\\.[a-z_][a-z_0-9]*)*$"),
      exact("method", "^[A-Za-z_][A-Za-z_0-9]*$"),
    ),
  );
  const headers = list(
    object({
      "name!": text(1, 256),
      type: string({ enum: ["Exact", "RegularExpression"], default: "Exact" }),
      "value!": text(1, 4096),
    }),
    { maxItems: 16, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] },
  );
  const filters = list(filter(modifierFilters), { maxItems: 16, ...valid(...headerRules) });
  const rule = object({
    name: text(1, 253),
    backendRefs: list(object({ ...backendFields(), filters }, valid(portForService)), { maxItems: 16 }),
    filters,
    matches: list(object({ headers, method }), { maxItems: 64 }),
    sessionPersistence: sessionPersistence(),
  });
  const version = {
    subresource: true,
    specOptional: true,
    columns: [hostnamesColumn, ageColumn],
    spec: object({ hostnames, parentRefs: parents(), rules: list(rule, { maxItems: 16 }) }),
    status: routeStatus(GROUP),
  };
  return {
    group: GROUP,
    kind: "GRPCRoute",
    plural: "grpcroutes",
    versions: [
      { name: "v1", storage: true, ...version },
      {
        name: "v1alpha2",
        ...version,
        deprecationWarning: "The v1alpha2 version of GRPCRoute has been deprecated; use v1.",
      },
    ],
  };
}

/** Routes of connections: no matches, only where they go. */
function streamRoute(name: "TLSRoute" | "TCPRoute"): Definition {
  const backends = list(object(backendFields(), valid(portForService)), { minItems: 1, maxItems: 16 });
  return {
    group: GROUP,
    kind: name,
    plural: `${name.toLowerCase()}s`,
    versions: [
      {
        name: "v1alpha2",
        storage: true,
        subresource: true,
        columns: [ageColumn],
        spec: object({
          ...(name === "TLSRoute" ? { hostnames } : {}),
          parentRefs: parents(),
          "rules!": list(object({ name: text(1, 253), backendRefs: backends }), { minItems: 1, maxItems: 16 }),
        }),
        status: routeStatus(GROUP),
      },
    ],
  };
}
