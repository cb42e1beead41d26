import { formatSelector } from "#kube/types";
import { isObject, type KubeObject } from "../../store/object.ts";
import type { ResourceType } from "../../store/resources.ts";
import { StatusError } from "../../store/status.ts";
import { type ResourceCall, writeContext } from "../call.ts";
import { applyJsonPatch } from "../patch/json.ts";
import { mergePatch } from "../patch/merge.ts";
import { sendJson } from "../respond.ts";
import { readJsonPath } from "../table/json-path.ts";
import type { Types } from "../types.ts";

/** GET, PUT and PATCH of `/scale`: an `autoscaling/v1 Scale` in place of the whole object. */
export async function scale(call: ResourceCall, method: string, body: unknown): Promise<void> {
  const { info, type, parts } = call;
  if (method === "GET") {
    sendJson(call, 200, scaleOf(type, parts.types, parts.objects.read(type, info.namespace, info.name)));
    return;
  }
  const isJsonPatch = call.request.headers["content-type"]?.startsWith("application/json-patch") ?? false;
  const context = { ...writeContext(call), managedThrough: "scale" };
  const updated = await parts.objects.modify(type, info.namespace, info.name, "", context, (old) => {
    const current = scaleOf(type, parts.types, old);
    const wanted = method === "PUT" ? body : isJsonPatch ? applyJsonPatch(current, body) : mergePatch(current, body);
    return withReplicas(type, parts.types, old, replicasOf(wanted));
  });
  sendJson(call, 200, scaleOf(type, parts.types, updated));
}

function replicasOf(scale: unknown): number {
  const spec = isObject(scale) && isObject(scale["spec"]) ? scale["spec"] : {};
  const replicas = spec["replicas"] ?? 0;
  if (typeof replicas === "number" && Number.isInteger(replicas) && replicas >= 0) return replicas;
  throw StatusError.invalid("Scale", "autoscaling", "", [
    {
      reason: "FieldValueInvalid",
      field: "spec.replicas",
      message: `Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`,
    },
  ]);
}

interface Paths {
  readonly spec: string;
  readonly status: string;
  readonly selector: string | undefined;
}

function pathsOf(type: ResourceType, types: Types): Paths {
  const own = types.customOf(type)?.subresources?.scale;
  if (!own) return { spec: ".spec.replicas", status: ".status.replicas", selector: undefined };
  return { spec: own.specReplicasPath, status: own.statusReplicasPath, selector: own.labelSelectorPath };
}

function scaleOf(type: ResourceType, types: Types, object: KubeObject): Record<string, unknown> {
  const paths = pathsOf(type, types);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const spec = object["spec"] as { selector?: never } | undefined;
  const selector = type.isCustom
    ? paths.selector && readJsonPath(object, paths.selector)[0]
    : formatSelector(type.kind === "ReplicationController" ? { matchLabels: spec?.selector } : spec?.selector);
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: readJsonPath(object, paths.spec)[0] ?? 0 },
    status: {
      replicas: readJsonPath(object, paths.status)[0] ?? 0,
      ...(selector ? { selector: String(selector) } : {}),
    },
  };
}

function withReplicas(type: ResourceType, types: Types, old: KubeObject, replicas: number): unknown {
  const fields = pathsOf(type, types)
    .spec.split(".")
    .filter((field) => field !== "");
  const patch = fields.reduceRight<unknown>((inner, field) => ({ [field]: inner }), replicas);
  const { resourceVersion: _revision, ...metadata } = old.metadata;
  return mergePatch({ ...old, metadata }, patch);
}
