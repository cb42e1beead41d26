/** The API server said no, or could not be asked (`status` 0, reason `Unreachable` or `Timeout`). */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The HTTP status, 0 when no answer came. */
  readonly status: number;
  /** Kubernetes' machine-readable word: NotFound, AlreadyExists, Conflict, Forbidden, Expired… */
  readonly reason: string;

  constructor(status: number, reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.reason = reason;
  }

  /** Reads a refusal: a `Status` object when the server sent one, otherwise the start of its text. */
  static fromAnswer(status: number, doing: string, body: string): ApiError {
    const said = parseStatus(body);
    const message = said?.message ?? (body.slice(0, MAX_QUOTED_CHARS).trim() || "no explanation");
    return new ApiError(status, said?.reason ?? REASONS[status] ?? "Unknown", `Cannot ${doing}: ${message}`);
  }

  /** Wraps what `fetch` threw. */
  static fromFailure(doing: string, cause: unknown): ApiError {
    if (cause instanceof ApiError) return cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    return new ApiError(0, "Unreachable", `Cannot ${doing}: ${text}`, { cause });
  }
}

/** The version or the page that was asked for is no longer known: start over. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 410 || error.reason === "Expired");
}

const MAX_QUOTED_CHARS = 500;
const REASONS: Record<number, string> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

function parseStatus(body: string): { reason?: string; message?: string } | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && "kind" in value && value.kind === "Status"
      ? (value as { reason?: string; message?: string })
      : undefined;
  } catch {
    return undefined; // not JSON: the caller quotes the text
  }
}
