import type { HeaderLine } from "#fields";
import { HeaderBlock, HpackDecoder } from "#hpack";
import { type RequestHead, ResponseHead } from "#message";
import { OutputBuffer } from "#output";
import { Budget, CHEAP_FRAMES, RESETS, SETTINGS_COST } from "./budget.ts";
import { ClosedIds } from "./closed-ids.ts";
import {
  COMPRESSION_ERROR,
  ENHANCE_YOUR_CALM,
  FLOW_CONTROL_ERROR,
  FRAME_SIZE_ERROR,
  NO_ERROR,
  PROTOCOL_ERROR,
  REFUSED_STREAM,
  STREAM_CLOSED,
} from "./error-code.ts";
import {
  ACK,
  CLIENT_PREFACE,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HAS_PRIORITY,
  HEADERS,
  PADDED,
  PING,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  readUint31,
  readUint32,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { HeadReader } from "./head.ts";
import { Http2Sender, type SenderOwner } from "./sender.ts";
import { DEFAULT_WINDOW_BYTES, type Http2Settings, MAX_WINDOW_BYTES, settingsToSend } from "./settings.ts";
import {
  CLOSED,
  CONNECTION_LOST,
  HALF_CLOSED_REMOTE,
  Http2Stream,
  NEVER_PROCESSED,
  RESET_BY_PEER,
  RESET_BY_RULE,
  type StreamOwner,
} from "./stream.ts";

/** What a connection tells whoever owns its transport. */
export interface Http2Owner {
  /** Server role: a request's head, lent until the call returns. Sets `stream.owner`, who takes what follows. */
  request(stream: Http2Stream, head: RequestHead): void;
  /** `sender.output` has bytes. */
  dirty(): void;
  /** A stream ended, or the peer's SETTINGS came: `capacity` may have grown. */
  capacityChanged(): void;
  /** No new streams: GOAWAY came or was sent, or the connection failed. */
  goingAway(): void;
  /** The peer broke the protocol or a limit. GOAWAY is in the output; close once it is written. All streams are gone. */
  failed(code: number, reason: string): void;
  /** Going away, and the last stream has ended: close once the output is written. */
  finished(): void;
}

/**
 * One HTTP/2 connection (RFC 9113) of either role, without I/O: bytes in through `receive`, bytes out in
 * `sender.output`. Never throws on peer input; errors of a stream become RST_STREAM, errors of the connection GOAWAY.
 *
 *   EXPECT_PREFACE (server) -> EXPECT_SETTINGS -> LIVE -> FAILED
 *
 * Every bound on what the peer can make it hold or do: streams by `maxConcurrentStreams`, header blocks before they are
 * buffered, bodies by the receive windows, cheap frames and resets by budgets that time and useful work refill.
 */
export class Http2Connection implements FrameSink, SenderOwner {
  readonly isServer: boolean;
  readonly sender: Http2Sender;
  readonly settings: Http2Settings;
  readonly #owner: Http2Owner;
  readonly #heads: HeadReader;
  readonly #reader: FrameReader;
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, Http2Stream>();
  readonly #ended = new ClosedIds(64);
  readonly #resetByUs = new ClosedIds(1024);
  readonly #cheapFrames: Budget;
  readonly #resets: Budget;
  #state: number;
  #prefaceSeen = 0;
  /** Highest stream id of the peer (server role), or our next one (client role). */
  #lastPeerId = 0;
  #nextId = 1;
  /** What the peer may still send on the connection, and what was read but not yet given back. */
  #receiveWindow: number;
  #unreturned = 0;
  #isSettingsAcked = false;
  #hasPeerSettings = false;
  /** The header block being collected: its stream, flags and bytes. 0 when none. */
  #blockId = 0;
  #blockFlags = 0;
  readonly #block: OutputBuffer;
  /** The stream of the DATA frame being read; null when its bytes are to be dropped. */
  #dataStream: Http2Stream | null = null;
  /** Bytes of that frame that no window got back yet; what is left at its end was padding. */
  #uncredited = 0;
  #isGoingAway = false;
  #drainState = NOT_DRAINING;
  /** PINGs of ours without answer. */
  unansweredPings = 0;

  constructor(isServer: boolean, settings: Http2Settings, owner: Http2Owner, nowMs: () => number, block?: HeaderBlock) {
    this.isServer = isServer;
    this.settings = settings;
    this.#owner = owner;
    this.#heads = new HeadReader(block ?? new HeaderBlock(settings.headers));
    this.sender = new Http2Sender(settings, this);
    this.#reader = new FrameReader(this);
    this.#block = new OutputBuffer(settings.headers.maxListBytes * 2);
    this.#cheapFrames = new Budget(CHEAP_FRAMES, nowMs);
    this.#resets = new Budget(RESETS, nowMs);
    this.#receiveWindow = Math.max(settings.connectionWindowBytes, DEFAULT_WINDOW_BYTES);
    this.#state = isServer ? EXPECT_PREFACE : EXPECT_SETTINGS;
  }

  /** Sends our side of the preface (RFC 9113 §3.4). Call once, when there is a transport to write to. */
  start(): void {
    if (!this.isServer) this.sender.preface(CLIENT_PREFACE);
    this.sender.settings(settingsToSend(this.settings, this.isServer));
    const more = this.#receiveWindow - DEFAULT_WINDOW_BYTES;
    if (more > 0) this.sender.windowUpdate(0, more);
  }

  get isFailed(): boolean {
    return this.#state === FAILED;
  }

  get isGoingAway(): boolean {
    return this.#isGoingAway;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** The most that one stream can hold unread. */
  get maxUnreadBytes(): number {
    return 2 * Math.max(this.settings.streamWindowBytes, this.settings.initialStreamWindowBytes, DEFAULT_WINDOW_BYTES);
  }

  /** Streams that may be opened now (client role). Before the peer's SETTINGS its default is assumed. */
  get capacity(): number {
    if (this.#isGoingAway || this.#nextId > MAX_STREAM_ID) return 0;
    return Math.max(0, this.sender.peer.maxConcurrentStreams - this.#streams.size);
  }

  /** Takes bytes from the transport. */
  receive(chunk: Uint8Array): void {
    if (this.#state === FAILED) return;
    const from = this.#state === EXPECT_PREFACE ? this.#preface(chunk) : 0;
    if (from >= 0) this.#reader.read(chunk, from, chunk.length);
  }

  /** Client role: opens a stream. The caller has looked at `capacity`. */
  open(head: RequestHead, added: readonly HeaderLine[], owner: StreamOwner): Http2Stream {
    const stream = this.#newStream(this.#nextId);
    this.#nextId += 2;
    stream.owner = owner;
    stream.isHeadRequest = head.method === "HEAD";
    this.sender.request(stream, head, added);
    return stream;
  }

  /**
   * Refuses new streams and lets live ones finish. A server first says so without a limit and waits for a PING to come
   * back, so that requests under way are not lost (RFC 9113 §6.8).
   */
  drain(): void {
    if (this.#drainState !== NOT_DRAINING || this.#state === FAILED) return;
    if (this.isServer && this.#streams.size > 0 && this.#hasPeerSettings) {
      this.#drainState = DRAIN_ANNOUNCED;
      this.sender.goAway(0x7fffffff, NO_ERROR, "");
      this.sender.ping(DRAIN_PING, false);
    } else this.#finishDrain();
  }

  /** Asks for a sign of life; `unansweredPings` goes back to 0 when it comes. */
  ping(): void {
    this.unansweredPings++;
    this.sender.ping(KEEP_ALIVE_PING, false);
  }

  /** The transport is gone: tells every stream. */
  lost(): void {
    this.#state = FAILED;
    this.#isGoingAway = true;
    this.#abandonAll(CONNECTION_LOST);
  }

  /** Ends a stream with RST_STREAM; its owner hears nothing more. */
  resetStream(stream: Http2Stream, code: number): void {
    if (!this.#streams.has(stream.id)) {
      stream.discard();
      return;
    }
    this.#resetByUs.add(stream.id);
    if (this.#state !== FAILED) this.sender.rstStream(stream.id, code);
    this.#remove(stream);
    stream.discard();
  }

  /** Gives the peer room again for `bytes` that were taken. */
  returnCredit(stream: Http2Stream | null, bytes: number): void {
    this.#unreturned += bytes;
    if (this.#unreturned * 4 >= this.settings.connectionWindowBytes && this.#state !== FAILED) {
      this.sender.windowUpdate(0, this.#unreturned);
      this.#receiveWindow += this.#unreturned;
      this.#unreturned = 0;
    }
    if (stream === null || (stream.state & HALF_CLOSED_REMOTE) !== 0) return;
    stream.unreturned += bytes;
    if (stream.unreturned * 2 >= stream.windowTarget) this.#restoreWindow(stream);
  }

  // --- SenderOwner ---

  dirty(): void {
    this.#owner.dirty();
  }

  dataSent(): void {
    this.#cheapFrames.earn(DATA_EARNS);
  }

  streamClosed(stream: Http2Stream): void {
    this.#resets.earn(1);
    this.#ended.add(stream.id);
    this.#remove(stream);
  }

  // --- FrameSink ---

  frameBegins(type: number, flags: number, streamId: number, length: number): boolean {
    if (length > this.settings.maxFrameBytes) return this.#fail(FRAME_SIZE_ERROR, "a frame above our limit");
    if (this.#state === EXPECT_SETTINGS) {
      if (type !== SETTINGS || (flags & ACK) !== 0) return this.#fail(PROTOCOL_ERROR, "no SETTINGS at the beginning");
      this.#state = LIVE;
    }
    if (this.#blockId !== 0 && (type !== CONTINUATION || streamId !== this.#blockId)) {
      return this.#fail(PROTOCOL_ERROR, "a frame inside a header block (RFC 9113 §4.3)");
    }
    if (type === DATA) return this.#dataBegins(streamId, length, flags);
    if (type !== HEADERS && type !== CONTINUATION) return true;
    if (this.#block.size + length <= this.#block.maxBytes) return true;
    return this.#fail(ENHANCE_YOUR_CALM, "a header block above our limit"); // CVE-2024-27316 and its family
  }

  dataPiece(_streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    const stream = this.#dataStream;
    this.#uncredited -= to - from;
    if (stream === null || stream.isDiscarded) {
      this.returnCredit(null, to - from);
      return true;
    }
    if (stream.remainingLength >= 0) {
      stream.remainingLength -= to - from;
      if (stream.remainingLength < 0) {
        this.returnCredit(null, to - from);
        return this.#streamError(stream, PROTOCOL_ERROR); // more than content-length said, in a padded frame
      }
    }
    stream.deliver(bytes, from, to);
    return this.#state !== FAILED;
  }

  dataEnds(flags: number, streamId: number): boolean {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (this.#uncredited > 0) this.returnCredit(stream, this.#uncredited);
    if (stream === null || (flags & END_STREAM) === 0 || this.#streams.get(streamId) !== stream) return true;
    if (stream.remainingLength > 0) return this.#streamError(stream, PROTOCOL_ERROR); // less than content-length said
    this.#remoteEnd(stream);
    stream.deliverEnd(null);
    return this.#state !== FAILED;
  }

  badPadding(): boolean {
    return this.#fail(PROTOCOL_ERROR, "padding longer than its frame");
  }

  frame(type: number, flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    switch (type) {
      case HEADERS:
        return this.#headers(flags, streamId, bytes, from, to);
      case CONTINUATION:
        return this.#continuation(flags, streamId, bytes, from, to);
      case WINDOW_UPDATE:
        return this.#windowUpdate(streamId, bytes, from, to);
      case RST_STREAM:
        return this.#rstStream(streamId, bytes, from, to);
      case SETTINGS:
        return this.#settings(flags, streamId, bytes, from, to);
      case PING:
        return this.#ping(flags, streamId, bytes, from, to);
      case GOAWAY:
        return this.#goAway(streamId, bytes, from, to);
      case PRIORITY:
        return this.#priority(streamId, bytes, from, to);
      case PUSH_PROMISE:
        return this.#fail(PROTOCOL_ERROR, "a PUSH_PROMISE, which nobody allowed");
      default:
        return this.#cheap(1); // RFC 9113 §5.5: unknown types are ignored
    }
  }

  // --- reading, in the order of the frame types ---

  /** RFC 9113 §6.1 and §6.9: both windows count the whole payload, padding included. */
  #dataBegins(streamId: number, length: number, flags: number): boolean {
    if (streamId === 0) return this.#fail(PROTOCOL_ERROR, "DATA on stream 0");
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) return this.#fail(FLOW_CONTROL_ERROR, "DATA beyond the connection's window");
    this.#uncredited = length;
    const stream = this.#streams.get(streamId);
    this.#dataStream = null;
    if (stream === undefined) return this.#onUnknownStream(streamId);
    if ((stream.state & HALF_CLOSED_REMOTE) !== 0) return this.#streamError(stream, STREAM_CLOSED);
    if (!this.isServer && !stream.hasResponse) return this.#streamError(stream, PROTOCOL_ERROR);
    const isBeyondLength = stream.remainingLength >= 0 && (flags & PADDED) === 0 && length > stream.remainingLength;
    if (isBeyondLength) return this.#streamError(stream, PROTOCOL_ERROR); // RFC 9113 §8.1.1, before a byte is passed on
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) return this.#streamError(stream, FLOW_CONTROL_ERROR);
    this.#dataStream = stream;
    if (length === 0 && (flags & END_STREAM) === 0) return this.#cheap(1); // CVE-2019-9518
    return true;
  }

  #headers(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (streamId === 0) return this.#fail(PROTOCOL_ERROR, "HEADERS on stream 0");
    let isSelfDependent = false;
    if ((flags & PADDED) !== 0) {
      if (from === to) return this.badPadding();
      to -= bytes[from++];
    }
    if ((flags & HAS_PRIORITY) !== 0) {
      if (to - from < 5) return this.#fail(PROTOCOL_ERROR, "a HEADERS frame without room for its priority");
      isSelfDependent = readUint31(bytes, from) === streamId;
      from += 5;
    }
    if (to < from) return this.badPadding();
    if (from === to && (flags & END_HEADERS) === 0 && !this.#cheap(1)) return false;
    if ((flags & END_HEADERS) !== 0) return this.#headerBlock(streamId, flags, bytes, from, to, isSelfDependent);
    this.#blockId = streamId;
    this.#blockFlags = isSelfDependent ? flags | SELF_DEPENDENT : flags;
    this.#block.appendRange(bytes, from, to);
    return true;
  }

  #continuation(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (this.#blockId === 0) return this.#fail(PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    if (to - from < SMALL_CONTINUATION && (flags & END_HEADERS) === 0 && !this.#cheap(CONTINUATION_COST)) return false;
    this.#block.appendRange(bytes, from, to);
    if ((flags & END_HEADERS) === 0) return true;
    this.#blockId = 0;
    const { bytes: block, start, end } = this.#block;
    const isSelfDependent = (this.#blockFlags & SELF_DEPENDENT) !== 0;
    const goesOn = this.#headerBlock(streamId, this.#blockFlags, block, start, end, isSelfDependent);
    this.#block.clear();
    return goesOn;
  }

  /** A whole header block: always decoded, so that the tables stay equal, whatever becomes of the message. */
  #headerBlock(
    streamId: number,
    flags: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    isSelfDependent: boolean,
  ): boolean {
    const isEnd = (flags & END_STREAM) !== 0;
    if (!this.#decoder.decode(bytes, from, to, this.#heads.block)) {
      return this.#fail(COMPRESSION_ERROR, "a header block that HPACK cannot read");
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#unknownHeaders(streamId, isEnd, isSelfDependent);
    if ((stream.state & HALF_CLOSED_REMOTE) !== 0) return this.#streamError(stream, STREAM_CLOSED);
    if (isSelfDependent) return this.#streamError(stream, PROTOCOL_ERROR);
    if (this.isServer || stream.hasResponse) return this.#trailers(stream, isEnd);
    return this.#response(stream, isEnd);
  }

  #unknownHeaders(streamId: number, isEnd: boolean, isSelfDependent: boolean): boolean {
    if (!this.isServer || (streamId & 1) === 0 || streamId <= this.#lastPeerId) return this.#onUnknownStream(streamId);
    if (this.#drainState === DRAINING) return true; // RFC 9113 §6.8: above our GOAWAY's id, not looked at
    this.#lastPeerId = streamId;
    if (isSelfDependent) return this.#refuse(streamId, PROTOCOL_ERROR);
    if (this.#streams.size >= this.settings.maxConcurrentStreams) return this.#refuse(streamId, REFUSED_STREAM);
    if (this.#heads.block.isTooLarge) return this.#tooLarge(streamId, isEnd);
    if (this.#heads.readRequest(isEnd) !== "") return this.#refuse(streamId, PROTOCOL_ERROR);
    const stream = this.#newStream(streamId);
    stream.isHeadRequest = this.#heads.request.method === "HEAD";
    stream.remainingLength = this.#heads.block.contentLength;
    if (isEnd) stream.state |= HALF_CLOSED_REMOTE;
    this.#owner.request(stream, this.#heads.request);
    if (isEnd) stream.deliverEnd(null);
    return this.#state !== FAILED;
  }

  #response(stream: Http2Stream, isEnd: boolean): boolean {
    const { block, response } = this.#heads;
    if (block.isTooLarge) return this.#streamError(stream, ENHANCE_YOUR_CALM);
    if (this.#heads.readResponse(isEnd, stream.isHeadRequest) !== "") return this.#streamError(stream, PROTOCOL_ERROR);
    if (response.status >= 200) {
      stream.hasResponse = true;
      stream.remainingLength = response.bodyLength; // -1 when not announced
    } else if (!this.#cheap(1)) return false;
    stream.owner?.head(response);
    if (isEnd && !stream.isDiscarded) {
      this.#remoteEnd(stream);
      stream.deliverEnd(null);
    }
    return this.#state !== FAILED;
  }

  /** RFC 9113 §8.1: a second HEADERS ends the stream. */
  #trailers(stream: Http2Stream, isEnd: boolean): boolean {
    const { block } = this.#heads;
    const isWrong = !isEnd || block.isTooLarge || this.#heads.readTrailers() !== "" || stream.remainingLength > 0;
    if (isWrong) return this.#streamError(stream, PROTOCOL_ERROR);
    this.#remoteEnd(stream);
    stream.deliverEnd(block.fields);
    return this.#state !== FAILED;
  }

  /** RFC 9113 §5.3.2: priorities are read, checked and ignored (CVE-2019-9513). */
  #priority(streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (streamId === 0) return this.#fail(PROTOCOL_ERROR, "PRIORITY on stream 0");
    if (to - from !== 5) return this.#errorById(streamId, FRAME_SIZE_ERROR);
    if (readUint31(bytes, from) === streamId) return this.#errorById(streamId, PROTOCOL_ERROR);
    return this.#cheap(1);
  }

  #rstStream(streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (to - from !== 4) return this.#fail(FRAME_SIZE_ERROR, "a RST_STREAM that is not 4 bytes");
    if (this.#isIdle(streamId)) return this.#fail(PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#cheap(1);
    this.#ended.add(streamId);
    this.#remove(stream);
    const { owner } = stream;
    stream.discard();
    owner?.reset(readUint32(bytes, from), RESET_BY_PEER);
    return this.#spendReset();
  }

  #settings(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (streamId !== 0) return this.#fail(PROTOCOL_ERROR, "SETTINGS on a stream");
    if ((flags & ACK) !== 0) {
      if (from !== to) return this.#fail(FRAME_SIZE_ERROR, "a SETTINGS acknowledgement with a payload");
      this.#isSettingsAcked = true;
      return this.#cheap(1);
    }
    const { peer } = this.sender;
    const before = peer.initialWindowBytes;
    const code = peer.apply(bytes, from, to, !this.isServer);
    if (code !== NO_ERROR) return this.#fail(code, "SETTINGS with a value that is not allowed");
    this.sender.setPeerTableBytes();
    if (!this.#moveWindows(peer.initialWindowBytes - before)) {
      return this.#fail(FLOW_CONTROL_ERROR, "SETTINGS that lift a window beyond 2^31-1");
    }
    this.#hasPeerSettings = true;
    this.sender.settingsAck();
    this.sender.pump();
    this.#owner.capacityChanged();
    return this.#cheap(SETTINGS_COST); // CVE-2019-9515
  }

  #ping(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (to - from !== 8) return this.#fail(FRAME_SIZE_ERROR, "a PING that is not 8 bytes");
    if (streamId !== 0) return this.#fail(PROTOCOL_ERROR, "PING on a stream");
    if ((flags & ACK) === 0) {
      this.sender.ping(bytes.subarray(from, to), true);
      return this.#cheap(1); // CVE-2019-9512
    }
    if (this.#drainState === DRAIN_ANNOUNCED && bytes[from] === DRAIN_PING[0]) this.#finishDrain();
    else this.unansweredPings = 0;
    return this.#cheap(1);
  }

  /** RFC 9113 §6.8: streams of ours above the id were never processed and may be tried again. */
  #goAway(streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (streamId !== 0) return this.#fail(PROTOCOL_ERROR, "GOAWAY on a stream");
    if (to - from < 8) return this.#fail(FRAME_SIZE_ERROR, "a GOAWAY shorter than 8 bytes");
    if (!this.#cheap(1)) return false;
    const lastId = readUint31(bytes, from);
    const code = readUint32(bytes, from + 4);
    this.#isGoingAway = true;
    this.#owner.goingAway();
    if (!this.isServer) {
      for (const stream of [...this.#streams.values()])
        if (stream.id > lastId) this.#abandon(stream, code, NEVER_PROCESSED);
    }
    this.#finishWhenEmpty();
    return this.#state !== FAILED;
  }

  #windowUpdate(streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (to - from !== 4) return this.#fail(FRAME_SIZE_ERROR, "a WINDOW_UPDATE that is not 4 bytes");
    const increment = readUint31(bytes, from);
    if (streamId === 0) {
      if (increment === 0) return this.#fail(PROTOCOL_ERROR, "a WINDOW_UPDATE of 0");
      if (!this.sender.grow(increment)) return this.#fail(FLOW_CONTROL_ERROR, "a connection window beyond 2^31-1");
      return this.#cheap(1);
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (this.#isIdle(streamId)) return this.#fail(PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
      return this.#cheap(1);
    }
    if (increment === 0) return this.#streamError(stream, PROTOCOL_ERROR); // RFC 9113 §6.9
    if (!this.sender.growStream(stream, increment)) return this.#streamError(stream, FLOW_CONTROL_ERROR);
    return this.#cheap(1);
  }

  // --- what follows from them ---

  /** RFC 9113 §3.4; -1 while it is incomplete or when it is wrong. */
  #preface(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && this.#prefaceSeen < CLIENT_PREFACE.length) {
      if (chunk[at++] !== CLIENT_PREFACE[this.#prefaceSeen++]) {
        this.#fail(PROTOCOL_ERROR, "not the HTTP/2 preface");
        return -1;
      }
    }
    if (this.#prefaceSeen < CLIENT_PREFACE.length) return -1;
    this.#state = EXPECT_SETTINGS;
    return at;
  }

  /** RFC 9113 §5.1: frames on streams that do not live. */
  #onUnknownStream(streamId: number): boolean {
    if (this.#drainState === DRAINING && streamId > this.#lastPeerId) return this.#cheap(1); // our GOAWAY refused it
    if (this.#resetByUs.has(streamId)) return this.#cheap(1); // it was under way when we reset
    if (this.#ended.has(streamId)) return this.#fail(STREAM_CLOSED, "a frame on a closed stream");
    return this.#fail(PROTOCOL_ERROR, "a frame on a stream that never was");
  }

  #isIdle(streamId: number): boolean {
    if (streamId === 0) return true;
    if (this.isServer) return (streamId & 1) === 0 || streamId > this.#lastPeerId;
    return (streamId & 1) === 0 || streamId >= this.#nextId;
  }

  #newStream(id: number): Http2Stream {
    const { initialStreamWindowBytes } = this.settings;
    // Until the peer has acknowledged our SETTINGS it may count on the protocol's default.
    const window = this.#isSettingsAcked
      ? initialStreamWindowBytes
      : Math.max(initialStreamWindowBytes, DEFAULT_WINDOW_BYTES);
    const stream = new Http2Stream(id, this, this.sender.peer.initialWindowBytes, window);
    this.#streams.set(id, stream);
    return stream;
  }

  #remoteEnd(stream: Http2Stream): void {
    stream.state |= HALF_CLOSED_REMOTE;
    if (stream.state === CLOSED) this.streamClosed(stream);
  }

  #remove(stream: Http2Stream): void {
    stream.state = CLOSED;
    if (!this.#streams.delete(stream.id)) return;
    this.sender.forget(stream);
    this.#owner.capacityChanged();
    this.#finishWhenEmpty();
  }

  /** Grows the window to its full size the first time that its reader has kept up with it. */
  #restoreWindow(stream: Http2Stream): void {
    if (this.#state === FAILED) return;
    const full = Math.max(this.settings.streamWindowBytes, stream.windowTarget);
    const increment = stream.unreturned + (full - stream.windowTarget);
    stream.windowTarget = full;
    stream.unreturned = 0;
    stream.receiveWindow += increment;
    this.sender.windowUpdate(stream.id, increment);
  }

  /** RFC 9113 §6.9.2: a new initial size moves the window of every stream, below zero if need be. */
  #moveWindows(difference: number): boolean {
    if (difference === 0) return true;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += difference;
      if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
    }
    return true;
  }

  #cheap(tokens: number): boolean {
    return this.#cheapFrames.spend(tokens) || this.#fail(ENHANCE_YOUR_CALM, "too many frames that carry nothing");
  }

  #spendReset(tokens = 1): boolean {
    if (!this.isServer) return true; // a server that resets our streams harms only itself
    return this.#resets.spend(tokens) || this.#fail(ENHANCE_YOUR_CALM, "too many streams reset");
  }

  /** The peer broke a rule on one stream. */
  #streamError(stream: Http2Stream, code: number): boolean {
    const { owner } = stream;
    this.resetStream(stream, code);
    owner?.reset(code, RESET_BY_RULE);
    return this.#spendReset();
  }

  /** As `#streamError`, where the stream may be idle or closed. */
  #errorById(streamId: number, code: number): boolean {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#streamError(stream, code);
    return this.#refuse(streamId, code);
  }

  /** Resets a stream that never came to life. */
  #refuse(streamId: number, code: number): boolean {
    this.#resetByUs.add(streamId);
    this.sender.rstStream(streamId, code);
    return this.#spendReset();
  }

  /** RFC 6585 §5: an answer helps more than a reset. */
  #tooLarge(streamId: number, isEnd: boolean): boolean {
    const stream = this.#newStream(streamId);
    if (isEnd) stream.state |= HALF_CLOSED_REMOTE;
    stream.respond(TOO_LARGE, NO_FIELDS);
    if (!isEnd) this.resetStream(stream, NO_ERROR);
    return this.#spendReset(isEnd ? 2 : 1); // one is what its completion earned
  }

  #finishDrain(): void {
    this.#drainState = DRAINING;
    this.#isGoingAway = true;
    this.sender.goAway(this.#lastPeerId, NO_ERROR, "");
    this.#owner.goingAway();
    this.#finishWhenEmpty();
  }

  #finishWhenEmpty(): void {
    if (this.#isGoingAway && this.#streams.size === 0 && this.#state !== FAILED) this.#owner.finished();
  }

  /** A connection error (RFC 9113 §5.4.1): GOAWAY, and nothing is read any more. Answers false for the reader. */
  #fail(code: number, reason: string): false {
    if (this.#state === FAILED) return false;
    this.#state = FAILED;
    this.#isGoingAway = true;
    this.sender.goAway(this.#lastPeerId, code, reason);
    this.#abandonAll(CONNECTION_LOST);
    this.#owner.goingAway();
    this.#owner.failed(code, reason);
    return false;
  }

  #abandonAll(origin: number): void {
    for (const stream of [...this.#streams.values()]) this.#abandon(stream, NO_ERROR, origin);
  }

  #abandon(stream: Http2Stream, code: number, origin: number): void {
    const { owner } = stream;
    this.#remove(stream);
    stream.discard();
    owner?.reset(code, origin);
  }
}

const EXPECT_PREFACE = 0;
const EXPECT_SETTINGS = 1;
const LIVE = 2;
const FAILED = 3;

const NOT_DRAINING = 0;
const DRAIN_ANNOUNCED = 1;
const DRAINING = 2;

const MAX_STREAM_ID = 0x7fffffff;
const SELF_DEPENDENT = 0x100; // beside the frame's flags, which are one byte
/** A CONTINUATION this short is not about space; a block may have few of them. */
const SMALL_CONTINUATION = 64;
const CONTINUATION_COST = 10;
/** A receiver may answer each DATA frame with two window updates and a bandwidth probe (PING), and acknowledge ours. */
const DATA_EARNS = 4;
const KEEP_ALIVE_PING = Buffer.from("linkerdk", "latin1");
const DRAIN_PING = Buffer.from("drain-ts", "latin1");
const NO_FIELDS: readonly HeaderLine[] = [];
const TOO_LARGE = Object.assign(new ResponseHead(), { status: 431, bodyLength: 0 });
