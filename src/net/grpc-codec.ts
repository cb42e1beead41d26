/** A message with its five-byte prefix: made once by `frameMessage`, then sent to any number of streams. Never change it. */
export type GrpcFrame = Uint8Array;

/** How messages of one type become bytes and back; the generated types in `#proto` fit. */
export interface GrpcCodec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}
