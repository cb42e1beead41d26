import jsonPatch, { type Operation } from "fast-json-patch";
import { cloneObject } from "../../store/object.ts";
import { StatusError } from "../../store/status.ts";

/** As many operations as a patch may hold (Kubernetes' own limit). */
const MAX_OPERATIONS = 10_000;

/** JSON Patch (RFC 6902) on a copy. Refusals: BadRequest for a malformed patch, Invalid for one that does not fit. */
export function applyJsonPatch<T>(target: T, patch: unknown): T {
  if (!Array.isArray(patch)) throw StatusError.badRequest("Cannot read JSON patch: wanted a list of operations");
  if (patch.length > MAX_OPERATIONS)
    throw new StatusError(
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  try {
    return jsonPatch.applyPatch(cloneObject(target), patch as Operation[], true, true, true).newDocument as T;
  } catch (thrown) {
    const failure = thrown as { name?: string; message?: string; index?: number };
    const why = (failure.message ?? "does not apply").split("\n")[0];
    const operation = patch[failure.index ?? 0] as { op?: string; path?: string } | undefined;
    const where = operation ? ` (operation ${failure.index ?? 0}: ${operation.op} ${operation.path})` : "";
    throw new StatusError("Invalid", `the server rejected our request due to an error in our request: ${why}${where}`);
  }
}
