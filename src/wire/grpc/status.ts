/** gRPC's status codes by their names in the specification. */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

export type GrpcCode = (typeof GRPC_STATUS)[keyof typeof GRPC_STATUS];

const NAMES = new Map<number, string>(Object.entries(GRPC_STATUS).map(([name, code]) => [code, name]));

/** `NOT_FOUND` for 5; `CODE_99` for what the specification does not know. */
export function grpcCodeName(code: number): string {
  return NAMES.get(code) ?? `CODE_${code}`;
}

/** `grpc-status` as a number; `UNKNOWN` for what is not one, as the specification asks. */
export function parseStatus(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : GRPC_STATUS.UNKNOWN;
}

/** What an HTTP status means to a gRPC client when no `grpc-status` came (http-grpc-status-mapping). */
export function statusOfHttp(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return GRPC_STATUS.INTERNAL;
    case 401:
      return GRPC_STATUS.UNAUTHENTICATED;
    case 403:
      return GRPC_STATUS.PERMISSION_DENIED;
    case 404:
      return GRPC_STATUS.UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return GRPC_STATUS.UNAVAILABLE;
    default:
      return GRPC_STATUS.UNKNOWN;
  }
}

/** What a RST_STREAM code means to a gRPC client (PROTOCOL-HTTP2, "Errors"). */
export function statusOfReset(http2Code: number): number {
  switch (http2Code) {
    case 7: // REFUSED_STREAM
      return GRPC_STATUS.UNAVAILABLE;
    case 8: // CANCEL
      return GRPC_STATUS.CANCELLED;
    case 11: // ENHANCE_YOUR_CALM
      return GRPC_STATUS.RESOURCE_EXHAUSTED;
    case 12: // INADEQUATE_SECURITY
      return GRPC_STATUS.PERMISSION_DENIED;
    default:
      return GRPC_STATUS.INTERNAL;
  }
}
