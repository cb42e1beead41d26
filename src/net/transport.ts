/**
 * One byte connection as those who relay see it: plain TCP or TLS, ours or accepted.
 * Nothing is queued below this line: what `write` does not accept stays with the caller until `drain`.
 */
export interface Transport {
  /** Set before the first event of the turn ends; may be swapped (detection hands over to a protocol). */
  handler: TransportHandler;
  /** Bytes [from, to) to the peer. Returns how many were accepted: fewer than asked = full, wait for `drain`; -1 = closed. */
  write(bytes: Uint8Array, from: number, to: number): number;
  /** Stops `data` (it may still come once when the peer resets). */
  pause(): void;
  resume(): void;
  /** Sends FIN after what was written; reading goes on. */
  shutdown(): void;
  /** Closes both ways now; for TLS with close_notify. */
  close(): void;
  /** Closes with RST, so that the peer sees the break. */
  terminate(): void;
}

export interface TransportHandler {
  /** The chunk is the receiver's to keep. */
  data(chunk: Uint8Array): void;
  /** Room again; may be spurious. */
  drain(): void;
  /** The peer sent FIN; writing may go on. */
  end(): void;
  /** The last event. `cause` is an errno name (`ECONNRESET`) or a TLS code when it did not end cleanly. */
  closed(cause: string | undefined): void;
}
