import type { Fields, HeaderLine } from "#fields";
import { fieldsBound, HpackEncoder, requestBound } from "#hpack";
import type { RequestHead, ResponseHead } from "#message";
import { OutputBuffer } from "#output";
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  FRAME_HEADER_BYTES,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
  writeFrameHeader,
  writeUint32,
} from "./frame.ts";
import { DEFAULT_WINDOW_BYTES, type Http2Settings, MAX_WINDOW_BYTES, PeerSettings } from "./settings.ts";
import { Backlog, CLOSED, HALF_CLOSED_LOCAL, type Http2Stream } from "./stream.ts";

/** What the sender needs of its connection. */
export interface SenderOwner {
  /** There are bytes to write. */
  dirty(): void;
  /** A stream's second half ended. */
  streamClosed(stream: Http2Stream): void;
  /** A DATA frame went out. */
  dataSent(): void;
}

/**
 * The writing half of a connection: frames straight into one output buffer, both flow-control windows, and the streams
 * that wait for room. DATA waits in its stream once the output holds `outputHighBytes`, so that a peer which grants
 * windows but does not read (CVE-2019-9517) costs no more than that.
 */
export class Http2Sender {
  readonly output = new OutputBuffer(MAX_OUTPUT_BYTES, KEPT_OUTPUT_BYTES); // its owner trims it
  readonly peer = new PeerSettings();
  readonly #encoder = new HpackEncoder();
  readonly #owner: SenderOwner;
  readonly #settings: Http2Settings;
  /** The connection's send window (RFC 9113 §6.9). */
  #window = DEFAULT_WINDOW_BYTES;
  #hasGrown = false; // since the last tick
  /** Streams with queued bytes, an end behind them, or a producer to wake; served in turn, a frame each. */
  #waiting: Http2Stream[] = [];
  /** The last frame in `output` when it is DATA that may still be marked as the stream's end. */
  #lastData: Http2Stream | null = null;
  #lastDataLength = 0;

  constructor(settings: Http2Settings, owner: SenderOwner) {
    this.#settings = settings;
    this.#owner = owner;
  }

  get window(): number {
    return this.#window;
  }

  /** Bytes that wait in streams. For tests and metrics. */
  get queuedBytes(): number {
    return this.#waiting.reduce((sum, stream) => sum + stream.queuedToSend, 0);
  }

  // --- heads ---

  request(stream: Http2Stream, head: RequestHead, added: readonly HeaderLine[]): void {
    const start = this.#reserveBlock(requestBound(head, added));
    if (start < 0) return;
    const end = this.#encoder.request(head, added, this.output.bytes, start + FRAME_HEADER_BYTES);
    const isEnd = head.bodyLength === 0;
    this.#finishBlock(stream.id, start, end, isEnd);
    if (isEnd) this.#localEnd(stream);
  }

  /** A 1xx or the final head. A body of no bytes ends the stream at once. */
  response(stream: Http2Stream, head: ResponseHead, added: readonly HeaderLine[]): void {
    if (stream.isLocalEnded || stream.hasResponse) return;
    const start = this.#reserveBlock(fieldsBound(head.fields, added));
    if (start < 0) return;
    const end = this.#encoder.response(head, added, this.output.bytes, start + FRAME_HEADER_BYTES);
    const isFinal = head.status >= 200;
    const isEnd = isFinal && head.bodyLength === 0;
    stream.hasResponse = isFinal;
    this.#finishBlock(stream.id, start, end, isEnd);
    if (isEnd) this.#localEnd(stream);
  }

  // --- bodies ---

  /** Sends what the windows allow and queues the rest. False: the producer stops until `writable`. */
  body(stream: Http2Stream, bytes: Uint8Array, from: number, to: number): boolean {
    if (stream.isLocalEnded) return true; // nobody wants it any more
    let at = from;
    if (stream.queuedToSend === 0) at = this.#write(stream, bytes, from, to);
    if (at < to) {
      stream.unsent ??= new Backlog(MAX_OUTPUT_BYTES);
      if (stream.queuedToSend === 0) stream.unsent.hasMoved = true;
      stream.unsent.bytes.appendRange(bytes, at, to);
      this.#wait(stream);
    }
    if (stream.queuedToSend < this.#settings.maxQueuedBytes && this.#hasRoom()) return true;
    stream.isBlocked = true;
    this.#wait(stream);
    return false;
  }

  end(stream: Http2Stream, trailers: Fields | null, version: number): void {
    if (stream.isLocalEnded) return;
    if (stream.unsent === null || stream.unsent.bytes.size === 0) this.#writeEnd(stream, trailers, version);
    else stream.unsent.finish(trailers, version);
  }

  /** Serves the streams that wait: after a flush, and when a window grew. */
  pump(): void {
    let idle = 0; // streams in a row that could do nothing
    while (this.#waiting.length > 0 && idle < this.#waiting.length && this.#hasRoom()) {
      const stream = this.#waiting.shift()!;
      if (this.#serve(stream)) idle = 0;
      else {
        this.#waiting.push(stream);
        idle++;
      }
    }
  }

  /** Forgets a stream that was reset. */
  forget(stream: Http2Stream): void {
    if (this.#lastData === stream) this.#lastData = null;
    if (!stream.isWaiting) return;
    stream.isWaiting = false;
    this.#waiting.splice(this.#waiting.indexOf(stream), 1);
  }

  // --- windows ---

  /** Streams whose bytes have found no window for `stallMs`. To be asked about once a second. */
  stalled(nowMs: number, stallMs: number): readonly Http2Stream[] {
    if (this.#waiting.length === 0) return NO_STREAMS;
    const hasGrown = this.#hasGrown;
    this.#hasGrown = false;
    return this.#waiting.filter(({ unsent, queuedToSend, sendWindow }) => {
      if (unsent === null || queuedToSend === 0) return false;
      const isShut = sendWindow <= 0 || (this.#window <= 0 && !hasGrown);
      if (!isShut || unsent.hasMoved) unsent.movedAtMs = nowMs;
      unsent.hasMoved = false;
      return nowMs - unsent.movedAtMs >= stallMs;
    });
  }

  /** The peer's WINDOW_UPDATE for the connection. False when it passes 2^31-1 (RFC 9113 §6.9.1). */
  grow(increment: number): boolean {
    this.#window += increment;
    this.#hasGrown = true;
    if (this.#window > MAX_WINDOW_BYTES) return false;
    this.pump();
    return true;
  }

  /** The peer's WINDOW_UPDATE for a stream. */
  growStream(stream: Http2Stream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
    if (stream.isWaiting) this.pump();
    return true;
  }

  setPeerTableBytes(): void {
    this.#encoder.setPeerTableBytes(this.peer.headerTableBytes);
  }

  // --- control frames ---

  preface(bytes: Uint8Array): void {
    this.output.append(bytes);
    this.#owner.dirty();
  }

  settings(pairs: readonly [number, number][]): void {
    const at = this.#frame(pairs.length * 6, SETTINGS, 0, 0);
    if (at < 0) return;
    pairs.forEach(([id, value], index) => {
      const out = this.output.bytes;
      out[at + index * 6] = id >>> 8;
      out[at + index * 6 + 1] = id;
      writeUint32(out, at + index * 6 + 2, value);
    });
  }

  settingsAck(): void {
    this.#frame(0, SETTINGS, ACK, 0);
  }

  ping(payload: Uint8Array, isAck: boolean): void {
    const at = this.#frame(8, PING, isAck ? ACK : 0, 0);
    if (at >= 0) this.output.bytes.set(payload, at);
  }

  windowUpdate(streamId: number, increment: number): void {
    const at = this.#frame(4, WINDOW_UPDATE, 0, streamId);
    if (at >= 0) writeUint32(this.output.bytes, at, increment);
  }

  rstStream(streamId: number, code: number): void {
    const at = this.#frame(4, RST_STREAM, 0, streamId);
    if (at >= 0) writeUint32(this.output.bytes, at, code);
  }

  goAway(lastStreamId: number, code: number, reason: string): void {
    const debug = Buffer.from(reason.slice(0, MAX_REASON_BYTES), "latin1");
    const at = this.#frame(8 + debug.length, GOAWAY, 0, 0);
    if (at < 0) return;
    writeUint32(this.output.bytes, at, lastStreamId);
    writeUint32(this.output.bytes, at + 4, code);
    this.output.bytes.set(debug, at + 8);
  }

  /** The owner wrote from `output`: what is in it can no longer be changed. */
  flushed(): void {
    this.#lastData = null;
  }

  /** One turn of a waiting stream. True when it is done waiting or got something out. */
  #serve(stream: Http2Stream): boolean {
    stream.isWaiting = false;
    const { unsent } = stream;
    if (unsent !== null && unsent.bytes.size > 0) {
      const queue = unsent.bytes;
      const limit = Math.min(queue.end, queue.start + this.#frameLimit());
      const at = this.#write(stream, queue.bytes, queue.start, limit);
      const sent = at - queue.start;
      queue.consume(sent);
      if (sent > 0) unsent.hasMoved = true;
      if (queue.size > 0) {
        if (sent > 0) this.#wait(stream);
        else stream.isWaiting = true; // the caller puts it back
        return sent > 0;
      }
    }
    if (unsent?.hasEnd) {
      unsent.hasEnd = false;
      this.#writeEnd(stream, unsent.trailers, unsent.version);
    } else if (stream.isBlocked) this.#wake(stream);
    return true;
  }

  #wake(stream: Http2Stream): void {
    stream.isBlocked = false;
    stream.owner?.writable();
  }

  /** DATA frames as far as windows and output allow; returns where it stopped. */
  #write(stream: Http2Stream, bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    const frameLimit = this.#frameLimit();
    while (at < to && this.#hasRoom()) {
      const length = Math.min(to - at, stream.sendWindow, this.#window, frameLimit);
      if (length <= 0) break;
      if (this.#frame(length, DATA, 0, stream.id) < 0) return to;
      this.output.end -= length; // #frame made room and counted it; appendRange copies
      this.output.appendRange(bytes, at, at + length);
      stream.sendWindow -= length;
      this.#window -= length;
      this.#lastData = stream;
      this.#lastDataLength = length;
      this.#owner.dataSent();
      at += length;
    }
    return at;
  }

  #writeEnd(stream: Http2Stream, trailers: Fields | null, version: number): void {
    if (trailers !== null && trailers.count > 0) this.#writeTrailers(stream, trailers, version);
    else if (this.#lastData === stream) {
      // The stream's last DATA is still the last thing in the buffer: mark it instead of sending an empty one.
      this.output.bytes[this.output.end - this.#lastDataLength - FRAME_HEADER_BYTES + 4] |= END_STREAM;
      this.#lastData = null;
    } else this.#frame(0, DATA, END_STREAM, stream.id);
    this.#localEnd(stream);
  }

  #writeTrailers(stream: Http2Stream, trailers: Fields, version: number): void {
    const start = this.#reserveBlock(fieldsBound(trailers, NONE));
    if (start < 0) return;
    const end = this.#encoder.trailers(trailers, version, this.output.bytes, start + FRAME_HEADER_BYTES);
    if (end > start + FRAME_HEADER_BYTES) this.#finishBlock(stream.id, start, end, true);
    else this.#frame(0, DATA, END_STREAM, stream.id); // every trailer was for the other hop only
  }

  #localEnd(stream: Http2Stream): void {
    stream.state |= HALF_CLOSED_LOCAL;
    if (stream.state === CLOSED) this.#owner.streamClosed(stream);
  }

  #wait(stream: Http2Stream): void {
    if (stream.isWaiting) return;
    stream.isWaiting = true;
    this.#waiting.push(stream);
  }

  #hasRoom(): boolean {
    return this.output.size < this.#settings.outputHighBytes;
  }

  #frameLimit(): number {
    return Math.min(this.peer.maxFrameBytes, MAX_DATA_BYTES);
  }

  /** Room for a header block of at most `bound` bytes; where its frame begins, or -1. */
  #reserveBlock(bound: number): number {
    const frames = 1 + Math.ceil(bound / this.peer.maxFrameBytes);
    if (!this.output.reserve(bound + frames * FRAME_HEADER_BYTES)) return -1;
    return this.output.end;
  }

  /** Puts the frame header before a block that stands behind it, cutting it into CONTINUATION when it is long. */
  #finishBlock(streamId: number, start: number, end: number, isEnd: boolean): void {
    const out = this.output.bytes;
    const limit = this.peer.maxFrameBytes;
    const length = end - start - FRAME_HEADER_BYTES;
    const endFlag = isEnd ? END_STREAM : 0;
    const isWhole = length <= limit;
    writeFrameHeader(out, start, isWhole ? length : limit, HEADERS, endFlag | (isWhole ? END_HEADERS : 0), streamId);
    this.output.end = isWhole ? end : continueBlock(out, start + FRAME_HEADER_BYTES + limit, end, limit, streamId);
    this.#lastData = null;
    this.#owner.dirty();
  }

  /** A frame header and room for its payload, which the caller fills; where the payload begins, or -1 when full. */
  #frame(length: number, type: number, flags: number, streamId: number): number {
    if (!this.output.reserve(FRAME_HEADER_BYTES + length)) {
      this.#owner.dirty(); // it finds `overflowed` and ends the connection
      return -1;
    }
    const at = writeFrameHeader(this.output.bytes, this.output.end, length, type, flags, streamId);
    this.output.end = at + length;
    this.#lastData = null;
    this.#owner.dirty();
    return at;
  }
}

/** Cuts [from, end) into CONTINUATION frames in place, last part first; returns the new end. */
function continueBlock(out: Uint8Array, from: number, end: number, limit: number, streamId: number): number {
  const count = Math.ceil((end - from) / limit);
  for (let index = count - 1; index >= 0; index--) {
    const partStart = from + index * limit;
    const partEnd = Math.min(end, partStart + limit);
    const target = partStart + (index + 1) * FRAME_HEADER_BYTES;
    out.copyWithin(target, partStart, partEnd);
    const flags = index === count - 1 ? END_HEADERS : 0;
    writeFrameHeader(out, target - FRAME_HEADER_BYTES, partEnd - partStart, CONTINUATION, flags, streamId);
  }
  return end + count * FRAME_HEADER_BYTES;
}

/** A body chunk of 512 KiB waiting in a stream, and heads behind 256 KiB of DATA, fit four times. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** What a busy connection fills again and again (`outputHighBytes`) with room for heads behind it. */
const KEPT_OUTPUT_BYTES = 512 * 1024;
/** Larger frames would hold up other streams for no gain. */
const MAX_DATA_BYTES = 16_384;
const MAX_REASON_BYTES = 256;
const NONE: readonly HeaderLine[] = [];
const NO_STREAMS: readonly Http2Stream[] = [];
