import type { Clock } from "#lib/clock";
import type { Counter, Gauge } from "#lib/metrics";
import { frameMessage, type GrpcFrame, type ServerStream } from "#net/grpc-server";

/** What a question is answered with now. */
export interface Answer<Detail> {
  /** The encoded message; undefined ends the streams, `end` says how. */
  readonly bytes: Uint8Array | undefined;
  readonly end: { readonly code: number; readonly message: string };
  /** What `invalidate` can ask about. */
  readonly detail: Detail;
}

export interface TopicsOptions<Query, Detail> {
  /** Answers from memory; called once per topic and change, whatever the number of subscribers. */
  readonly compute: (query: Query) => Answer<Detail>;
  readonly clock: Clock;
  readonly updates?: Counter;
  readonly topicCount?: Gauge;
}

interface Topic<Query, Detail> {
  readonly query: Query;
  readonly streams: Set<ServerStream>;
  frame: GrpcFrame;
  bytes: Uint8Array;
  detail: Detail;
}

const SETTLE_MS = 10; // one `kubectl apply` is several changes
const SLICE_TOPICS = 200; // recomputed in one go, a few milliseconds; then other streams get their turn

/**
 * Questions that streams wait on. A topic lives while somebody subscribes to it; its answer is computed once, encoded
 * once, and sent when its bytes differ from those before. A slow subscriber is cut by its stream's own limit.
 */
export class Topics<Query, Detail> {
  readonly #options: TopicsOptions<Query, Detail>;
  readonly #topics = new Map<string, Topic<Query, Detail>>();
  readonly #dirty = new Set<string>();
  #isScheduled = false;

  constructor(options: TopicsOptions<Query, Detail>) {
    this.#options = options;
  }

  get size(): number {
    return this.#topics.size;
  }

  /** Sends the answer now and at every change, until the stream is over. Equal keys must mean equal queries. */
  subscribe(key: string, query: Query, stream: ServerStream): void {
    const topic = this.#topics.get(key) ?? this.#open(key, query, stream);
    if (!topic) return;
    topic.streams.add(stream);
    stream.onClose(() => this.#leave(key, topic, stream));
    stream.send(topic.frame);
  }

  /** Marks topics for recomputation, soon. */
  invalidate(isAffected: (query: Query, detail: Detail) => boolean = () => true): void {
    for (const [key, topic] of this.#topics) {
      if (isAffected(topic.query, topic.detail)) this.#dirty.add(key);
    }
    if (this.#dirty.size > 0) this.#schedule(SETTLE_MS);
  }

  #open(key: string, query: Query, stream: ServerStream): Topic<Query, Detail> | undefined {
    const { bytes, end, detail } = this.#options.compute(query);
    if (!bytes) {
      stream.end(end.code, end.message);
      return undefined;
    }
    const topic = { query, streams: new Set<ServerStream>(), frame: frameMessage(bytes), bytes, detail };
    this.#topics.set(key, topic);
    this.#options.topicCount?.set(this.#topics.size);
    return topic;
  }

  #leave(key: string, topic: Topic<Query, Detail>, stream: ServerStream): void {
    topic.streams.delete(stream);
    if (topic.streams.size > 0 || this.#topics.get(key) !== topic) return;
    this.#topics.delete(key);
    this.#dirty.delete(key);
    this.#options.topicCount?.set(this.#topics.size);
  }

  #schedule(afterMs: number): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.clock.schedule(afterMs, () => {
      this.#isScheduled = false;
      this.#refreshSlice();
    });
  }

  #refreshSlice(): void {
    let count = 0;
    for (const key of this.#dirty) {
      this.#dirty.delete(key);
      const topic = this.#topics.get(key);
      if (topic) this.#refresh(key, topic);
      if (++count >= SLICE_TOPICS) break;
    }
    if (this.#dirty.size > 0) this.#schedule(0);
  }

  #refresh(key: string, topic: Topic<Query, Detail>): void {
    const { bytes, end, detail } = this.#options.compute(topic.query);
    if (!bytes) {
      this.#topics.delete(key);
      this.#options.topicCount?.set(this.#topics.size);
      for (const stream of [...topic.streams]) stream.end(end.code, end.message);
      return;
    }
    topic.detail = detail;
    if (Buffer.compare(bytes, topic.bytes) === 0) return;
    topic.bytes = bytes;
    topic.frame = frameMessage(bytes);
    this.#options.updates?.inc();
    for (const stream of [...topic.streams]) stream.send(topic.frame);
  }
}
