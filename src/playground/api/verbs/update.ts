import { isObject } from "../../store/object.ts";
import { storageKey } from "../../store/resources.ts";
import { type ResourceCall, writeContext } from "../call.ts";
import { sendObject } from "../respond.ts";

/** PUT of one object, or of its status, finalize or ephemeralcontainers part. */
export async function update(call: ResourceCall, body: unknown): Promise<void> {
  const { info, type, parts } = call;
  const key = storageKey(type);
  const isNew = parts.store.get(key, type.isNamespaced ? info.namespace : undefined, info.name) === undefined;
  if (isNew && MAY_CREATE.has(key) && isObject(body)) {
    sendObject(call, 201, await parts.objects.create(type, info.namespace, body, writeContext(call)));
    return;
  }
  const updated = await parts.objects.modify(
    type,
    info.namespace,
    info.name,
    info.subresource,
    writeContext(call),
    () => body,
  );
  sendObject(call, 200, updated);
}

/** Kinds that a PUT creates when they are not there, as Kubernetes allows for these. */
const MAY_CREATE = new Set(["leases.coordination.k8s.io", "endpoints", "events"]);
