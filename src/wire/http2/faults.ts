import { ENHANCE_YOUR_CALM, PROTOCOL_ERROR, STREAM_CLOSED } from "./error-code.ts";
import type { FloodGuard } from "./flood-guard.ts";
import type { Http2Sender } from "./sender.ts";
import { type Http2Stream, RESET_BY_RULE } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/** What faults need of the connection. */
export interface FaultOwner {
  readonly sender: Http2Sender;
  readonly streams: StreamTable;
  readonly floods: FloodGuard;
  /** A GOAWAY of ours has refused this stream (RFC 9113 §6.8). */
  hasRefused(streamId: number): boolean;
  resetStream(stream: Http2Stream, code: number): void;
  /** Ends the connection. */
  fail(code: number, reason: string): false;
}

/**
 * What a breach of the rules leads to (RFC 9113 §5.4): the end of one stream, which costs the peer a little of its
 * budget, or of the connection. Each method answers whether to go on reading.
 */
export class Faults {
  readonly #owner: FaultOwner;

  constructor(owner: FaultOwner) {
    this.#owner = owner;
  }

  /** Not wrong, but of no use either. */
  cheap(cost: number): boolean {
    return (
      this.#owner.floods.cheapFrame(cost) || this.#owner.fail(ENHANCE_YOUR_CALM, "too many frames that carry nothing")
    );
  }

  /** A stream ended before its time. */
  reset(cost: number): boolean {
    return this.#owner.floods.reset(cost) || this.#owner.fail(ENHANCE_YOUR_CALM, "too many streams reset");
  }

  /** The peer broke a rule on one stream. */
  onStream(stream: Http2Stream, code: number): boolean {
    const { owner } = stream;
    this.#owner.resetStream(stream, code);
    owner?.reset(code, RESET_BY_RULE);
    return this.reset(1);
  }

  /** As `onStream`, where the stream may be idle or closed. */
  onId(streamId: number, code: number): boolean {
    const stream = this.#owner.streams.get(streamId);
    return stream === undefined ? this.refuse(streamId, code) : this.onStream(stream, code);
  }

  /** Resets a stream that never came to life. */
  refuse(streamId: number, code: number): boolean {
    this.#owner.streams.noteReset(streamId);
    this.#owner.sender.rstStream(streamId, code);
    return this.reset(1);
  }

  /** RFC 9113 §5.1: a frame on a stream that does not live. */
  onUnknown(streamId: number): boolean {
    const { streams } = this.#owner;
    if (this.#owner.hasRefused(streamId)) return this.cheap(1);
    if (streams.wasResetByUs(streamId)) return this.cheap(1); // it was under way when we reset
    if (streams.hasEnded(streamId)) return this.#owner.fail(STREAM_CLOSED, "a frame on a closed stream");
    return this.#owner.fail(PROTOCOL_ERROR, "a frame on a stream that never was");
  }
}
