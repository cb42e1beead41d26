import type { ResourceCall } from "../call.ts";
import { sendObject } from "../respond.ts";

/** GET of one object. */
export function get(call: ResourceCall): void {
  const { info, type, parts } = call;
  sendObject(call, 200, parts.objects.read(type, info.namespace, info.name));
}
