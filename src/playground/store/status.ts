export interface StatusCause {
  reason?: string;
  message: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** HTTP code of each reason a Status may carry. */
const CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof CODES;

/** A refusal in Kubernetes' own form: what clients compare is `reason`, what people read is the message. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason, message: string, details?: StatusDetails, code?: number) {
    super(message);
    this.reason = reason;
    this.code = code ?? CODES[reason];
    this.details = details;
  }

  /** The body of the answer. */
  toStatus(): Record<string, unknown> {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details ? { details: this.details } : {}),
      code: this.code,
    };
  }

  static notFound(resource: string, name: string): StatusError {
    return new StatusError("NotFound", `${resource} "${name}" not found`, target(resource, name));
  }
  static alreadyExists(resource: string, name: string): StatusError {
    return new StatusError("AlreadyExists", `${resource} "${name}" already exists`, target(resource, name));
  }
  static conflict(resource: string, name: string): StatusError {
    const why = "the object has been modified; please apply your changes to the latest version and try again";
    return new StatusError(
      "Conflict",
      `Operation cannot be fulfilled on ${resource} "${name}": ${why}`,
      target(resource, name),
    );
  }
  static expired(fromRevision: number, oldest: number): StatusError {
    return new StatusError("Expired", `too old resource version: ${fromRevision} (${oldest})`);
  }
  static badRequest(message: string): StatusError {
    return new StatusError("BadRequest", message);
  }
  static forbidden(resource: string, name: string, why: string): StatusError {
    return new StatusError(
      "Forbidden",
      `${resource}${name ? ` "${name}"` : ""} is forbidden: ${why}`,
      target(resource, name),
    );
  }
  /** `causes` in the order they were found; the message lists them as kubectl prints them. */
  static invalid(kind: string, group: string, name: string, causes: StatusCause[]): StatusError {
    const lines = causes.map((cause) => (cause.field ? `${cause.field}: ${cause.message}` : cause.message));
    const list = lines.length === 1 ? lines[0] : `[${lines.join(", ")}]`;
    const title = group ? `${kind}.${group}` : kind;
    return new StatusError("Invalid", `${title} "${name}" is invalid: ${list}`, { name, group, kind, causes });
  }

  /** Whatever was thrown as a Status; unknown failures become InternalError with their message. */
  static from(thrown: unknown): StatusError {
    if (thrown instanceof StatusError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new StatusError("InternalError", `Internal error occurred: ${message}`);
  }
}

function target(resource: string, name: string): StatusDetails {
  const dot = resource.indexOf(".");
  if (dot < 0) return { name, kind: resource };
  return { name, group: resource.slice(dot + 1), kind: resource.slice(0, dot) };
}
