import { apiVersionOf } from "../../store/resources.ts";
import { StatusError } from "../../store/status.ts";
import { type ResourceCall, writeContext } from "../call.ts";
import { inVersion, sendJson } from "../respond.ts";
import { deleteOptions } from "./delete.ts";
import { selected } from "./list.ts";

/** DELETE of a collection: each object that the selectors choose, one after the other. */
export async function removeCollection(call: ResourceCall, body: unknown): Promise<void> {
  const { type, parts } = call;
  const options = deleteOptions(call, body);
  const context = writeContext(call);
  const chosen = selected(call);
  for (const object of chosen) {
    try {
      await parts.objects.delete(type, object.metadata.namespace, object.metadata.name, options, context);
    } catch (thrown) {
      if (!(thrown instanceof StatusError && thrown.reason === "NotFound")) throw thrown; // gone meanwhile is as wanted
    }
  }
  const metadata = { resourceVersion: String(parts.store.revision) };
  const items = chosen.map((object) => inVersion(call, object));
  sendJson(call, 200, { kind: `${type.kind}List`, apiVersion: apiVersionOf(type), metadata, items });
}
