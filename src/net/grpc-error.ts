/** A call that ended badly. Handlers throw it to choose a status; its message goes to the peer, so it holds no secrets. */
export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
