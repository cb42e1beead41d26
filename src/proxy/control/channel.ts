/** A gRPC status as the control plane sent it, or as made here when the connection failed. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

export const GRPC_OK = 0;
export const GRPC_INVALID_ARGUMENT = 3;
export const GRPC_DEADLINE_EXCEEDED = 4;
export const GRPC_NOT_FOUND = 5;
export const GRPC_FAILED_PRECONDITION = 9;
export const GRPC_UNIMPLEMENTED = 12;
export const GRPC_INTERNAL = 13;
export const GRPC_UNAVAILABLE = 14;

/** Hears one server stream: messages, then its end, once; nothing after `cancel`. */
export interface GrpcSink {
  message(bytes: Uint8Array): void;
  closed(status: GrpcStatus): void;
}

/** Calls to one control-plane program. A call made without a connection makes one. */
export interface GrpcChannel {
  /** Sends one request message and reads any number; a unary call is one that gets a single one. */
  call(path: string, request: Uint8Array, sink: GrpcSink): { cancel(): void };
  close(): void;
}
