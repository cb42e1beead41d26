import { type ResourceCall, writeContext } from "../call.ts";
import { sendObject } from "../respond.ts";

/** POST to a collection. */
export async function create(call: ResourceCall, body: unknown): Promise<void> {
  const { info, type, parts } = call;
  const created = await parts.objects.create(type, info.namespace, body, writeContext(call));
  sendObject(call, 201, created);
}
