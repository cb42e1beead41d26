import { isObject } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";
import { type ResourceCall, writeContext } from "../call.ts";
import { sendJson, sendObject } from "../respond.ts";
import type { DeleteOptions } from "../write-context.ts";

/** DELETE of one object: the object while it terminates, a Status when it is gone. */
export async function remove(call: ResourceCall, body: unknown): Promise<void> {
  const { info, type, parts } = call;
  const seen = parts.objects.read(type, info.namespace, info.name);
  const options = deleteOptions(call, body);
  const left = await parts.objects.delete(type, info.namespace, info.name, options, writeContext(call));
  if (left) return sendObject(call, 200, left);
  sendJson(call, 200, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name: info.name, group: type.group, kind: type.resource, uid: seen.metadata.uid },
  });
}

/** DeleteOptions from the body, or from the query as old clients send them. */
export function deleteOptions(call: ResourceCall, body: unknown): DeleteOptions {
  if (body !== undefined && !isObject(body))
    throw StatusError.badRequest("Cannot read DeleteOptions: wanted a JSON object");
  const query = call.url.searchParams;
  const grace = body?.["gracePeriodSeconds"] ?? numberOf(query.get("gracePeriodSeconds"));
  const policy = body?.["propagationPolicy"] ?? query.get("propagationPolicy") ?? undefined;
  if (Array.isArray(body?.["dryRun"]) && body["dryRun"].length > 0) query.set("dryRun", "All");
  if (policy !== undefined && policy !== "" && !["Orphan", "Background", "Foreground"].includes(String(policy)))
    throw StatusError.invalid("DeleteOptions", "meta.k8s.io", "", [
      {
        reason: "FieldValueNotSupported",
        field: "propagationPolicy",
        message: `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan"`,
      },
    ]);
  return {
    ...(typeof grace === "number" ? { gracePeriodSeconds: Math.max(0, grace) } : {}),
    ...(policy
      ? { propagationPolicy: String(policy) }
      : body?.["orphanDependents"]
        ? { propagationPolicy: "Orphan" }
        : {}),
    ...(isObject(body?.["preconditions"]) ? { preconditions: body["preconditions"] as { uid?: string } } : {}),
  };
}

function numberOf(text: string | null): number | undefined {
  return text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
}
