import type { Fields, HeaderLine } from "#fields";
import { RequestHead } from "#message";
import { OutputBuffer } from "#output";
import type { ClientStream } from "./exchange.ts";

/**
 * A request as it was before it went to its first peer, kept until a peer answers: head, and a short body whole.
 * Used again and again, so that keeping leaves no garbage. Limits: `MAX_BODY_BYTES` of body, beyond which nothing is kept,
 * and one chunk more while there is no peer; `MAX_SPARE` that wait for use, none of them with a long head.
 */
export class KeptRequest {
  readonly head = new RequestHead();
  readonly added: HeaderLine[] = [];
  /** How often it came back. */
  returnCount = 0;
  readonly #body = new OutputBuffer();
  #hasEnded = false;
  #trailers: Fields | null = null;

  static of(head: RequestHead, added: readonly HeaderLine[]): KeptRequest {
    const kept = SPARE.pop() ?? new KeptRequest();
    head.copyTo(kept.head);
    for (let i = 0; i < added.length; i++) kept.added.push(added[i]);
    return kept;
  }

  /** Its last use: nobody may hold it any more. */
  release(): void {
    const { bytes } = this.head.fields;
    if (SPARE.length === MAX_SPARE || this.#body.size > MAX_BODY_BYTES || bytes.length > MAX_HEAD_BYTES) return;
    this.added.length = 0;
    this.returnCount = 0;
    this.#body.clear();
    this.#hasEnded = false;
    this.#trailers = null;
    SPARE.push(this);
  }

  /** False: this is more than is kept, and it is no longer whole. */
  mayAdd(bytes: number): boolean {
    return this.#body.size + bytes <= MAX_BODY_BYTES;
  }

  add(chunk: Uint8Array, from: number, to: number): void {
    this.#body.appendRange(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    this.#hasEnded = true;
    this.#trailers = trailers === null ? null : trailers.copy();
  }

  /** Says the body so far to another peer. False: it is full. */
  replay(peer: ClientStream): boolean {
    const { bytes, start, end } = this.#body;
    const hasRoom = start === end || peer.body(bytes, start, end);
    if (this.#hasEnded) peer.end(this.#trailers);
    return hasRoom;
  }
}

const SPARE: KeptRequest[] = [];
/** As many as are under way in a busy proxy; each has about 2 KiB, and 8 KiB at most. */
const MAX_SPARE = 256;
const MAX_HEAD_BYTES = 4096;
/** gRPC's unary messages mostly; 10 000 requests in flight could keep 40 MB. */
const MAX_BODY_BYTES = 4096;
