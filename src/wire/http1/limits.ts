/** How much a peer may make the readers hold or do. Everything is per connection. */
export interface Http1Limits {
  /** Start line and fields together, with their line ends. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly maxTrailerBytes: number;
  /** Bytes of chunk extensions that may run ahead of the data they come with. */
  readonly maxChunkOverheadBytes: number;
}

/** Heads: nginx takes 32 KiB, HAProxy 16, hyper about 400 with 100 fields. Chunk extensions: Go allows 16 KiB. */
export const DEFAULT_HTTP1_LIMITS: Http1Limits = {
  maxHeadBytes: 64 * 1024,
  maxFields: 100,
  maxTrailerBytes: 16 * 1024,
  maxChunkOverheadBytes: 16 * 1024,
};
