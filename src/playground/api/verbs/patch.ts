import { isObject, type KubeObject } from "../../store/object.ts";
import type { ResourceType } from "../../store/resources.ts";
import { apiVersionOf, storageKey } from "../../store/resources.ts";
import { StatusError } from "../../store/status.ts";
import type { Parts } from "../call.ts";
import { type ResourceCall, writeContext } from "../call.ts";
import type { PatchType } from "../in-process.ts";
import { applyConfig } from "../patch/apply.ts";
import { applyJsonPatch } from "../patch/json.ts";
import { mergePatch } from "../patch/merge.ts";
import { strategicMerge } from "../patch/strategic.ts";
import { sendObject } from "../respond.ts";
import type { WriteContext } from "../write-context.ts";

const MEDIA_TYPES: Record<string, PatchType> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

/** PATCH of one object, by media type. */
export async function patch(call: ResourceCall, body: unknown): Promise<void> {
  const { info, type, parts, request, url } = call;
  const media = (request.headers["content-type"] ?? "").split(";")[0]!.trim();
  const patchType = MEDIA_TYPES[media];
  if (!patchType || (patchType === "strategic" && type.isCustom)) throw unsupported(type);
  const target = { type, namespace: info.namespace, name: info.name, subresource: info.subresource };
  const context = writeContext(call);
  if (patchType === "apply" && !url.searchParams.get("fieldManager"))
    throw StatusError.badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  const force = url.searchParams.get("force") === "true";
  const { object, isNew } = await patchObject(parts, target, patchType, body, force, context);
  sendObject(call, isNew ? 201 : 200, object);
}

export interface PatchTarget {
  readonly type: ResourceType;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly subresource: string;
}

/** Applies a patch of any type; server-side apply may create. */
export async function patchObject(
  parts: Pick<Parts, "objects" | "types" | "store">,
  target: PatchTarget,
  patchType: PatchType,
  body: unknown,
  force: boolean,
  context: WriteContext,
): Promise<{ object: KubeObject; isNew: boolean }> {
  const { type, namespace, name, subresource } = target;
  if (patchType === "apply") return apply(parts, target, body, force, context);
  const schema = parts.types.schemaOf(type);
  const change = (old: KubeObject): unknown => {
    const current = { ...old, apiVersion: apiVersionOf(type), kind: type.kind };
    const patched =
      patchType === "json"
        ? applyJsonPatch(current, body)
        : patchType === "merge"
          ? mergePatch(current, mustBeObject(body))
          : strategicMerge(current, body, schema);
    return withoutStaleRevision(patched, old, patchType, body);
  };
  return { object: await parts.objects.modify(type, namespace, name, subresource, context, change), isNew: false };
}

async function apply(
  parts: Pick<Parts, "objects" | "types" | "store">,
  { type, namespace, name, subresource }: PatchTarget,
  body: unknown,
  force: boolean,
  context: WriteContext,
): Promise<{ object: KubeObject; isNew: boolean }> {
  const config = mustBeObject(body) as unknown as KubeObject;
  if (!isObject(config.metadata)) config.metadata = { name };
  config.metadata.name ??= name;
  if (config.metadata.managedFields?.length) throw StatusError.badRequest("metadata.managedFields must be nil");
  if (config.apiVersion !== apiVersionOf(type) || config.kind !== type.kind)
    throw StatusError.badRequest(
      `Cannot apply: wanted apiVersion ${apiVersionOf(type)} and kind ${type.kind} in the body`,
    );
  const manager = {
    name: context.fieldManager,
    apiVersion: apiVersionOf(type),
    time: parts.objects.now(),
    ...(subresource ? { subresource } : {}),
  };
  const schema = parts.types.schemaOf(type);
  const live = parts.store.get(storageKey(type), type.isNamespaced ? namespace : undefined, name);
  const how = { ...context, isApply: true };
  if (!live) {
    if (subresource) throw StatusError.notFound(storageKey(type), name);
    const created = applyConfig(undefined, config, schema, manager, force);
    return { object: await parts.objects.create(type, namespace, created, how), isNew: true };
  }
  const change = (old: KubeObject) =>
    applyConfig({ ...old, apiVersion: apiVersionOf(type) }, config, schema, manager, force);
  return { object: await parts.objects.modify(type, namespace, name, subresource, how, change), isNew: false };
}

/** A patch that does not speak of the revision is not bound to the one it was computed from. */
function withoutStaleRevision(patched: unknown, old: KubeObject, patchType: PatchType, body: unknown): unknown {
  if (!isObject(patched) || !isObject(patched["metadata"])) return patched;
  const insists =
    patchType !== "json" && isObject(body) && isObject(body["metadata"]) && body["metadata"]["resourceVersion"];
  if (insists || patched["metadata"]["resourceVersion"] !== old.metadata.resourceVersion) return patched;
  const { resourceVersion: _revision, ...metadata } = patched["metadata"];
  return { ...patched, metadata };
}

function mustBeObject(body: unknown): Record<string, unknown> {
  if (isObject(body)) return body;
  throw StatusError.badRequest("Cannot apply the patch: wanted a JSON object");
}

function unsupported(type: ResourceType): StatusError {
  const known = Object.keys(MEDIA_TYPES).filter((media) => !type.isCustom || !media.includes("strategic"));
  return new StatusError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format - accepted media types include: ${known.join(", ")}`,
  );
}
