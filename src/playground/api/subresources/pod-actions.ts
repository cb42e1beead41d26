import { type LabelSelector, selectorMatches } from "#kube/types";
import { isObject, type KubeObject } from "../../store/object.ts";
import { storageKey } from "../../store/resources.ts";
import { StatusError } from "../../store/status.ts";
import { type ResourceCall, writeContext } from "../call.ts";
import { sendJson } from "../respond.ts";
import { deleteOptions } from "../verbs/delete.ts";

/** POST `/binding`: gives a pod its node, once. */
export async function bind(call: ResourceCall, body: unknown): Promise<void> {
  const { info, type, parts } = call;
  const node = isObject(body) && isObject(body["target"]) ? body["target"]["name"] : undefined;
  if (typeof node !== "string" || node === "")
    throw StatusError.badRequest("Cannot bind the pod: wanted target.name, the name of a node");
  await parts.objects.modify(type, info.namespace, info.name, "", writeContext(call), (old) => {
    const spec = (old["spec"] ?? {}) as { nodeName?: string };
    if (spec.nodeName)
      throw new StatusError(
        "Conflict",
        `Operation cannot be fulfilled on pods/binding "${info.name}": pod ${info.name} is already assigned to node "${spec.nodeName}"`,
      );
    const { resourceVersion: _revision, ...metadata } = old.metadata;
    return { ...old, metadata, spec: { ...spec, nodeName: node } };
  });
  sendJson(call, 201, success());
}

/** POST `/eviction`: deletes a pod unless a disruption budget forbids it now. */
export async function evict(call: ResourceCall, body: unknown): Promise<void> {
  const { info, type, parts } = call;
  const pod = parts.objects.read(type, info.namespace, info.name);
  const blocking = parts.store
    .list("poddisruptionbudgets.policy", info.namespace)
    .find((budget) => selects(budget, pod) && disruptionsAllowed(budget) < 1);
  if (blocking)
    throw new StatusError("TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
      retryAfterSeconds: 10,
      causes: [
        {
          reason: "DisruptionBudget",
          message: `The disruption budget ${blocking.metadata.name} does not allow evicting pods now`,
        },
      ],
    });
  const options = isObject(body) ? body["deleteOptions"] : undefined;
  await parts.objects.delete(type, info.namespace, info.name, deleteOptions(call, options), writeContext(call));
  sendJson(call, 201, success());
}

function selects(budget: KubeObject, pod: KubeObject): boolean {
  return selectorMatches((budget["spec"] as { selector?: LabelSelector })?.selector, pod.metadata.labels);
}

function disruptionsAllowed(budget: KubeObject): number {
  return (budget["status"] as { disruptionsAllowed?: number } | undefined)?.disruptionsAllowed ?? 0;
}

/** POST `/serviceaccounts/x/token`. */
export function createToken(call: ResourceCall, body: unknown): void {
  const { info, parts } = call;
  const spec = (isObject(body) && isObject(body["spec"]) ? body["spec"] : {}) as {
    audiences?: string[];
    expirationSeconds?: number;
    boundObjectRef?: { kind?: string; name?: string; uid?: string };
  };
  const bound = spec.boundObjectRef;
  const pod = bound?.kind === "Pod" ? boundPod(call, bound) : undefined;
  const issued = parts.tokens.issue({
    namespace: info.namespace!,
    serviceAccount: info.name,
    ...(spec.audiences ? { audiences: spec.audiences } : {}),
    ...(spec.expirationSeconds === undefined ? {} : { expirationSeconds: spec.expirationSeconds }),
    ...(pod ? { pod } : {}),
  });
  sendJson(call, 201, {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: { name: info.name, namespace: info.namespace },
    spec,
    status: issued,
  });
}

function boundPod(call: ResourceCall, ref: { name?: string; uid?: string }): { name: string; uid: string } {
  const pod = call.parts.store.get("pods", call.info.namespace, ref.name ?? "");
  if (!pod) throw StatusError.notFound(storageKey({ group: "", resource: "pods" }), ref.name ?? "");
  const uid = pod.metadata.uid!;
  if (ref.uid && ref.uid !== uid)
    throw StatusError.badRequest(
      `Cannot bind the token: pod "${ref.name}" has uid ${uid}, the request says ${ref.uid}`,
    );
  return { name: pod.metadata.name, uid };
}

function success(): object {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
}
