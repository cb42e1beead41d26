import { type LabelSelector, selectorMatches } from "#kube/types";
import { compileCel, toCel } from "../../schema/cel.ts";
import type { ResourceType } from "../../store/resources.ts";
import type { Store } from "../../store/store.ts";
import { userInfo } from "../reviews.ts";
import type { Types } from "../types.ts";
import type { AdmissionRequest } from "./admission.ts";

export interface WebhookRule {
  operations?: string[];
  apiGroups?: string[];
  apiVersions?: string[];
  resources?: string[];
  scope?: string;
}

/** One webhook of a configuration, defaults filled in. */
export interface Webhook {
  name: string;
  clientConfig: {
    url?: string;
    caBundle?: string;
    service?: { namespace: string; name: string; path?: string; port?: number };
  };
  rules?: WebhookRule[];
  failurePolicy?: "Fail" | "Ignore";
  matchPolicy?: "Exact" | "Equivalent";
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
  matchConditions?: { name: string; expression: string }[];
  timeoutSeconds?: number;
  reinvocationPolicy?: "Never" | "IfNeeded";
}

/** The version of the resource to send to a webhook; undefined when its rules and selectors do not want the request. */
export function matchWebhook(
  webhook: Webhook,
  request: AdmissionRequest,
  store: Store,
  types: Types,
): ResourceType | undefined {
  const type = ruleMatch(webhook, request, types);
  if (!type) return undefined;
  if (!selectorMatches(webhook.namespaceSelector ?? {}, namespaceLabels(request, store))) return undefined;
  if (!matchesObject(webhook.objectSelector ?? {}, request)) return undefined;
  return type;
}

/** With `Equivalent`, a rule for another version of the same resource counts too, and that version is sent. */
function ruleMatch(webhook: Webhook, request: AdmissionRequest, types: Types): ResourceType | undefined {
  const { type } = request;
  const candidates = [type];
  if (webhook.matchPolicy !== "Exact")
    candidates.push(
      ...types.registry.all().filter((t) => t !== type && t.group === type.group && t.resource === type.resource),
    );
  return candidates.find((candidate) => (webhook.rules ?? []).some((rule) => covers(rule, candidate, request)));
}

function covers(rule: WebhookRule, type: ResourceType, request: AdmissionRequest): boolean {
  if (
    !has(rule.operations, request.operation) ||
    !has(rule.apiGroups, type.group) ||
    !has(rule.apiVersions, type.version)
  )
    return false;
  if (rule.scope === "Namespaced" && !type.isNamespaced) return false;
  if (rule.scope === "Cluster" && type.isNamespaced) return false;
  return (rule.resources ?? []).some((pattern) => coversResource(pattern, type.resource, request.subresource));
}

/** `pods` means pods alone, `pods/status` that subresource, `*` every resource without its subresources, `*\/*` all. */
function coversResource(pattern: string, resource: string, subresource: string): boolean {
  const [wanted, sub] = pattern.split("/");
  if (wanted !== "*" && wanted !== resource) return false;
  return sub === undefined ? subresource === "" : sub === "*" || sub === subresource;
}

function has(list: readonly string[] | undefined, wanted: string): boolean {
  return list?.some((entry) => entry === "*" || entry === wanted) ?? false;
}

function namespaceLabels(request: AdmissionRequest, store: Store): Record<string, string> | undefined {
  if (request.type.kind === "Namespace" && request.type.group === "")
    return (request.object ?? request.oldObject)?.metadata.labels;
  if (request.namespace === undefined) return undefined;
  return store.get("namespaces", undefined, request.namespace)?.metadata.labels;
}

function matchesObject(selector: LabelSelector, request: AdmissionRequest): boolean {
  return [request.object, request.oldObject].some(
    (object) => object !== undefined && selectorMatches(selector, object.metadata.labels),
  );
}

/** Evaluates `matchConditions`: false as soon as one is. Throws when one cannot be evaluated and none is false. */
export function meetsConditions(webhook: Webhook, request: AdmissionRequest, types: Types): boolean {
  if (!webhook.matchConditions?.length) return true;
  const schema = types.schemaOf(request.type);
  const context = {
    object: request.object ? toCel(request.object, schema) : null,
    oldObject: request.oldObject ? toCel(request.oldObject, schema) : null,
    request: {
      operation: request.operation,
      name: request.name,
      namespace: request.namespace ?? "",
      subResource: request.subresource,
      dryRun: request.isDryRun,
      userInfo: userInfo(request.user),
      kind: { group: request.type.group, version: request.type.version, kind: request.type.kind },
      resource: { group: request.type.group, version: request.type.version, resource: request.type.resource },
    },
  };
  let failure: unknown;
  for (const condition of webhook.matchConditions) {
    try {
      if (compileCel(condition.expression)(context) !== true) return false;
    } catch (thrown) {
      failure = thrown;
    }
  }
  if (failure !== undefined) throw failure;
  return true;
}
