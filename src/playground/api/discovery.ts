import { apiVersionOf, compareVersions, type ResourceType } from "../store/resources.ts";
import type { Call } from "./call.ts";
import { unknownResource } from "./request-info.ts";
import { sendJson } from "./respond.ts";

/** Kinds that subresources answer with, where it is not the object's own. */
const SUBRESOURCE_KINDS: Record<string, { group: string; version: string; kind: string }> = {
  scale: { group: "autoscaling", version: "v1", kind: "Scale" },
  eviction: { group: "policy", version: "v1", kind: "Eviction" },
  token: { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" },
  binding: { group: "", version: "v1", kind: "Binding" },
  exec: { group: "", version: "v1", kind: "PodExecOptions" },
  attach: { group: "", version: "v1", kind: "PodAttachOptions" },
  portforward: { group: "", version: "v1", kind: "PodPortForwardOptions" },
  proxy: { group: "", version: "v1", kind: "PodProxyOptions" },
};
const SUBRESOURCE_VERBS: Record<string, readonly string[]> = {
  scale: ["get", "patch", "update"],
  status: ["get", "patch", "update"],
  ephemeralcontainers: ["get", "patch", "update"],
  resize: ["get", "patch", "update"],
  finalize: ["update"],
  eviction: ["create"],
  token: ["create"],
  binding: ["create"],
  log: ["get"],
  exec: ["create", "get"],
  attach: ["create", "get"],
  portforward: ["create", "get"],
  proxy: ["create", "delete", "get", "patch", "update"],
};

/** Everything under `/api` and `/apis` that names no resource. */
export function discover(call: Call) {
  const parts = call.url.pathname.split("/").filter((part) => part !== "");
  const [root, first, second] = parts;
  const groups = groupsOf(call);
  if (parts.length === 1 && wantsAggregated(call)) return sendAggregated(call, root === "api" ? [""] : groups);
  if (root === "api" && parts.length === 1)
    return sendJson(call, 200, { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] });
  if (root === "api" && parts.length === 2 && first === "v1") return sendJson(call, 200, resourceList(call, "", "v1"));
  if (root !== "apis") throw unknownResource();
  if (parts.length === 1)
    return sendJson(call, 200, {
      kind: "APIGroupList",
      apiVersion: "v1",
      groups: groups.map((name) => group(call, name)),
    });
  if (!groups.includes(first!)) throw unknownResource();
  if (parts.length === 2) return sendJson(call, 200, { kind: "APIGroup", apiVersion: "v1", ...group(call, first!) });
  if (parts.length !== 3 || !versionsOf(call, first!).includes(second!)) throw unknownResource();
  sendJson(call, 200, resourceList(call, first!, second!));
}

function group(call: Call, name: string): Record<string, unknown> {
  const versions = call.parts.types.registry
    .versions(name)
    .map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

/** Our own groups and those of extensions, in alphabetical order. */
function groupsOf(call: Call): string[] {
  const extensions = call.parts.aggregation.extensions().map((extension) => extension.group);
  return [...new Set([...call.parts.types.registry.groups(), ...extensions])].sort();
}

function versionsOf(call: Call, name: string): string[] {
  const extensions = call.parts.aggregation.extensions().filter((extension) => extension.group === name);
  const versions = [...call.parts.types.registry.versions(name), ...extensions.map((extension) => extension.version)];
  return [...new Set(versions)].sort(compareVersions);
}

/** Resources of an extension in aggregated form; its subresources (`a/b`) stand under theirs. */
function extensionResources(call: Call, name: string, version: string): Record<string, unknown>[] {
  const found = call.parts.aggregation.extensions().find((each) => each.group === name && each.version === version);
  const all = found?.resources ?? [];
  const kindOf = (kind: string | undefined) => ({ group: name, version, kind: kind ?? "" });
  return all
    .filter((resource) => !resource.name.includes("/"))
    .map((resource) => ({
      resource: resource.name,
      responseKind: kindOf(resource.kind),
      scope: resource.namespaced ? "Namespaced" : "Cluster",
      singularResource: "",
      verbs: resource.verbs ?? [],
      subresources: all
        .filter((sub) => sub.name.startsWith(`${resource.name}/`))
        .map((sub) => ({
          subresource: sub.name.slice(resource.name.length + 1),
          responseKind: kindOf(sub.kind),
          verbs: sub.verbs ?? [],
        })),
    }));
}

function typesOf(call: Call, groupName: string, version: string): ResourceType[] {
  return call.parts.types.registry.all().filter((type) => type.group === groupName && type.version === version);
}

function resourceList(call: Call, groupName: string, version: string): Record<string, unknown> {
  const resources = typesOf(call, groupName, version).flatMap((type) => [
    {
      name: type.resource,
      singularName: type.singular,
      namespaced: type.isNamespaced,
      kind: type.kind,
      verbs: type.verbs,
      ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
      ...(type.categories.length > 0 ? { categories: type.categories } : {}),
      storageVersionHash: "",
    },
    ...type.subresources.map((sub) => {
      const answers = SUBRESOURCE_KINDS[sub];
      const verbs = SUBRESOURCE_VERBS[sub] ?? ["get"];
      const base = { name: `${type.resource}/${sub}`, singularName: "", namespaced: type.isNamespaced };
      return answers
        ? { ...base, group: answers.group, version: answers.version, kind: answers.kind, verbs }
        : { ...base, kind: type.kind, verbs };
    }),
  ]);
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: apiVersionOf({ group: groupName, version }),
    resources,
  };
}

function wantsAggregated(call: Call): boolean {
  return /g=apidiscovery\.k8s\.io;v=v2/.test((call.request.headers.accept ?? "").replaceAll(" ", ""));
}

function sendAggregated(call: Call, groups: readonly string[]): void {
  const isV2 = /v=v2(;|,|$)/.test((call.request.headers.accept ?? "").replaceAll(" ", ""));
  const version = isV2 ? "v2" : "v2beta1";
  const items = groups.map((name) => ({
    metadata: { ...(name ? { name } : {}), creationTimestamp: null },
    versions: versionsOf(call, name).map((each) => ({
      version: each,
      freshness: "Current",
      resources: [...typesOf(call, name, each).map(aggregatedResource), ...extensionResources(call, name, each)],
    })),
  }));
  const body = { kind: "APIGroupDiscoveryList", apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
  sendJson(call, 200, body, `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`);
}

function aggregatedResource(type: ResourceType): Record<string, unknown> {
  return {
    resource: type.resource,
    responseKind: { group: type.group, version: type.version, kind: type.kind },
    scope: type.isNamespaced ? "Namespaced" : "Cluster",
    singularResource: type.singular,
    verbs: type.verbs,
    ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
    ...(type.categories.length > 0 ? { categories: type.categories } : {}),
    ...(type.subresources.length > 0
      ? {
          subresources: type.subresources.map((sub) => ({
            subresource: sub,
            responseKind: SUBRESOURCE_KINDS[sub] ?? { group: type.group, version: type.version, kind: type.kind },
            verbs: SUBRESOURCE_VERBS[sub] ?? ["get"],
          })),
        }
      : {}),
  };
}
