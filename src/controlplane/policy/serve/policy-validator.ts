import { type AdmissionAnswer, type AdmissionRequest, ALLOWED } from "../../serve/admission.ts";
import { validate } from "../validate/validate.ts";

/** Judges a policy resource before it is stored: every problem at once, each with its field. */
export function reviewPolicy({ kind, namespace, name, object }: AdmissionRequest): AdmissionAnswer {
  if (!object) return ALLOWED; // a deletion
  const candidate = { group: kind.group, kind: kind.kind, namespace: namespace ?? "", object };
  const problems = validate(candidate);
  if (problems.length === 0) return ALLOWED;
  const message = `${kind.kind} ${namespace}/${name ?? object.metadata?.name ?? ""}: ${problems.join("; ")}`;
  return { isAllowed: false, code: 422, message };
}
