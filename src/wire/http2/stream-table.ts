import { ClosedIds } from "./closed-ids.ts";
import { MAX_WINDOW_BYTES } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";
import { StreamMap } from "./stream-map.ts";

/**
 * The streams of one connection by id, and what is still known of ids that no longer live (RFC 9113 §5.1.1): a client's
 * ids are odd and only rise, so that an id below the highest one is live, closed, or was never used.
 */
export class StreamTable {
  readonly #isServer: boolean;
  readonly #live = new StreamMap();
  readonly #ended = new ClosedIds(64);
  readonly #resetByUs = new ClosedIds(1024);
  #lastPeerId = 0;
  #nextId = 1;

  constructor(isServer: boolean) {
    this.#isServer = isServer;
  }

  get size(): number {
    return this.#live.size;
  }

  /** Highest id that the peer opened (server role): what our GOAWAY names. */
  get lastPeerId(): number {
    return this.#lastPeerId;
  }

  /** Client role: no id is left for another stream. */
  get isUsedUp(): boolean {
    return this.#nextId > MAX_STREAM_ID;
  }

  get(id: number): Http2Stream | undefined {
    return this.#live.get(id);
  }

  /** The live streams as they are now, oldest first: the table may change while they are walked. */
  all(): Http2Stream[] {
    return this.#live.values().sort((a, b) => a.id - b.id);
  }

  add(stream: Http2Stream): void {
    this.#live.add(stream);
  }

  /** False when it did not live any more. */
  remove(stream: Http2Stream): boolean {
    return this.#live.delete(stream.id);
  }

  /** Client role: the id of our next stream. */
  takeId(): number {
    const id = this.#nextId;
    this.#nextId += 2;
    return id;
  }

  /** Client role: every stream from this id on is still to be opened. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Server role: whether the peer may open this stream now. */
  isNew(id: number): boolean {
    return this.#isServer && (id & 1) === 1 && id > this.#lastPeerId;
  }

  /** Server role: the peer used `id`, whatever becomes of it. */
  sawId(id: number): void {
    this.#lastPeerId = id;
  }

  /** No frame has opened it yet (RFC 9113 §5.1), or none ever may. */
  isIdle(id: number): boolean {
    if ((id & 1) === 0) return true;
    return this.#isServer ? id > this.#lastPeerId : id >= this.#nextId;
  }

  /** The stream ended in both directions, or the peer reset it. */
  noteEnded(id: number): void {
    this.#ended.add(id);
  }

  hasEnded(id: number): boolean {
    return this.#ended.has(id);
  }

  /** We reset it: frames for it may still be under way. */
  noteReset(id: number): void {
    this.#resetByUs.add(id);
  }

  wasResetByUs(id: number): boolean {
    return this.#resetByUs.has(id);
  }

  /** RFC 9113 §6.9.2: the peer's new initial window moves that of every stream, below zero if need be. False: too far. */
  moveSendWindows(difference: number): boolean {
    if (difference === 0) return true;
    for (const stream of this.#live.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
    }
    return true;
  }
}

const MAX_STREAM_ID = 0x7fffffff;
