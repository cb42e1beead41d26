import type { KubeObject } from "#kube/types";

/** What the API server asks before it stores an object (admission.k8s.io v1; v1beta1 has the same fields). */
export interface AdmissionRequest {
  readonly uid: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly name?: string;
  readonly namespace?: string;
  readonly operation: string;
  readonly dryRun?: boolean;
  /** The object as it would be stored; `generateName` may stand in for its name. Untrusted. */
  readonly object?: Partial<KubeObject> & { readonly [field: string]: unknown };
}

/** What a webhook has to say about a request. */
export interface AdmissionAnswer {
  readonly isAllowed: boolean;
  /** Why not; the person who applied the object reads it. */
  readonly message?: string;
  /** HTTP-like status beside the message; 403 when left out. */
  readonly code?: number;
  /** RFC 6902 operations; none when empty. */
  readonly patch?: readonly unknown[];
  /** Sentences that `kubectl` prints; Kubernetes wants each below 120 characters but carries longer ones. */
  readonly warnings?: readonly string[];
}

/** Lets the object pass as it is. */
export const ALLOWED: AdmissionAnswer = { isAllowed: true };

export interface ParsedReview {
  /** Set when the body is a review that can be answered. */
  readonly review: AdmissionReview | undefined;
  readonly error: string | undefined;
}

export interface AdmissionReview {
  readonly apiVersion: string;
  readonly kind: string;
  readonly request: AdmissionRequest;
}

/** Reads the API server's question. Checks only what an answer needs: a request with a UID. */
export function parseReview(body: string): ParsedReview {
  let review: Partial<AdmissionReview> | null;
  try {
    review = JSON.parse(body) as Partial<AdmissionReview> | null;
  } catch (cause) {
    return { review: undefined, error: `Cannot read AdmissionReview: ${(cause as Error).message}` };
  }
  if (typeof review?.request !== "object" || review.request === null) {
    return { review: undefined, error: "Cannot answer AdmissionReview: it has no request" };
  }
  if (typeof review.request.uid !== "string" || review.request.uid === "") {
    return { review: undefined, error: "Cannot answer AdmissionReview: its request has no uid" };
  }
  const { apiVersion = "admission.k8s.io/v1", kind = "AdmissionReview" } = review;
  return { review: { apiVersion, kind, request: review.request }, error: undefined };
}

/** The answer as JSON, in the version in which the question came. */
export function formatReview({ apiVersion, kind, request }: AdmissionReview, answer: AdmissionAnswer): string {
  const { isAllowed, message, code = 403, patch = [], warnings = [] } = answer;
  const response = {
    uid: request.uid,
    allowed: isAllowed,
    ...(isAllowed ? {} : { status: { status: "Failure", message: message ?? "", code } }),
    ...(patch.length > 0
      ? { patchType: "JSONPatch", patch: Buffer.from(JSON.stringify(patch)).toString("base64") }
      : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  };
  return JSON.stringify({ apiVersion, kind, response });
}
