import type { Manifest } from "../object.ts";
import { ageColumn, type CrdOptions, definition, type Version } from "./definition.ts";
import {
  anyPath,
  backendFields,
  filter,
  headerModifier,
  hostnames,
  httpMatch,
  parentReference,
  requestRedirect,
  routeStatus,
  timeouts,
} from "./route-schema.ts";
import { list, name, namespaceName, object, port, type Schema, string } from "./schema.ts";

const GROUP = "policy.linkerd.io";

/** Linkerd's own HTTPRoute, older than the Gateway API's and kept beside it. */
export function policyHttpRoute(options: CrdOptions): Manifest {
  return definition(options, {
    group: GROUP,
    kind: "HTTPRoute",
    plural: "httproutes",
    versions: [
      version("v1alpha1", earlyBackend(), false),
      version("v1beta1", earlyBackend(), false),
      version("v1beta2", backend(), false),
      version("v1beta3", backend(), true),
    ],
  });
}

function version(name: string, backendRef: Schema, isLast: boolean): Version {
  return {
    name,
    storage: isLast,
    subresource: true,
    columns: [{ name: "Hostnames", jsonPath: ".spec.hostnames" }, ageColumn],
    spec: object({
      hostnames,
      parentRefs: list(parentReference(GROUP), { maxItems: 32 }),
      rules: list(rule(backendRef, isLast), { maxItems: 16, default: [{ matches: [anyPath] }] }),
    }),
    status: routeStatus(GROUP),
  };
}

function rule(backendRef: Schema, withTimeouts: boolean): Schema {
  return object({
    backendRefs: list(backendRef, { maxItems: 16 }),
    filters: list(ruleFilter(), { maxItems: 16 }),
    matches: list(httpMatch(), { maxItems: 8, default: [anyPath] }),
    ...(withTimeouts ? { timeouts } : {}),
  });
}

const modifiers = {
  RequestHeaderModifier: { field: "requestHeaderModifier", schema: headerModifier },
  RequestRedirect: { field: "requestRedirect", schema: requestRedirect },
};

function ruleFilter(): Schema {
  return filter(modifiers);
}

function backendFilters(): Schema {
  const all = { ...modifiers, ResponseHeaderModifier: { field: "responseHeaderModifier", schema: headerModifier } };
  return list(filter(all), { maxItems: 16 });
}

function backend(): Schema {
  return object({ ...backendFields(), filters: backendFilters() });
}

/** As it was before backends had kinds and weights. */
function earlyBackend(): Schema {
  return object({
    name,
    namespace: { ...namespaceName, default: "default" },
    port,
    filters: list(object({ "type!": string() }, { "x-kubernetes-preserve-unknown-fields": true }), { maxItems: 16 }),
  });
}
