import type { HeaderLine } from "#fields";
import { HeaderBlock, HpackDecoder } from "#hpack";
import { type RequestHead, ResponseHead } from "#message";
import { SETTINGS_COST } from "./budget.ts";
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
import { type FaultOwner, Faults } from "./faults.ts";
import {
  ACK,
  CLIENT_PREFACE,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HEADERS,
  PADDED,
  PING,
  PRIORITY,
  RST_STREAM,
  readUint31,
  readUint32,
  SETTINGS,
  WINDOW_UPDATE,
} from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { checkFrame } from "./frame-rules.ts";
import { HeadReader } from "./head.ts";
import { HeaderCollector } from "./header-collector.ts";
import type { ReceiveWindow } from "./receive-window.ts";
import type { Http2Sender } from "./sender.ts";
import { DEFAULT_WINDOW_BYTES, type Http2Settings } from "./settings.ts";
import { HALF_CLOSED_REMOTE, Http2Stream, RESET_BY_PEER, type StreamHost } from "./stream.ts";
import type { StreamTable } from "./stream-table.ts";

/** What the receiver needs of its connection: its parts, and where things go that concern more than one stream. */
export interface ReceiverOwner extends StreamHost, FaultOwner {
  readonly isServer: boolean;
  readonly isFailed: boolean;
  readonly settings: Http2Settings;
  readonly sender: Http2Sender;
  readonly window: ReceiveWindow;
  /** Server role: a request's head, lent until the call returns. */
  request(stream: Http2Stream, head: RequestHead): void;
  /** The peer ended its half of a stream. */
  remoteEnded(stream: Http2Stream): void;
  /** Takes a stream out of the table. */
  remove(stream: Http2Stream): void;
  /** The peer's SETTINGS have been taken. */
  settled(): void;
  /** A PING of ours came back; `first` is the first byte of what it carried. */
  pong(first: number): void;
  /** The peer's GOAWAY. */
  peerGoesAway(lastId: number, code: number): void;
}

/**
 * The reading half of a connection: frames in, and what RFC 9113 says about each of them. Every method that a frame
 * reaches answers whether to go on; false once the connection has failed.
 *
 *   EXPECT_PREFACE (server) -> EXPECT_SETTINGS -> LIVE
 */
export class Http2Receiver implements FrameSink {
  readonly #owner: ReceiverOwner;
  readonly #isServer: boolean;
  readonly #settings: Http2Settings;
  readonly #sender: Http2Sender;
  readonly #streams: StreamTable;
  readonly #window: ReceiveWindow;
  readonly #faults: Faults;
  readonly #reader: FrameReader;
  readonly #decoder = new HpackDecoder();
  readonly #collector: HeaderCollector;
  readonly #heads: HeadReader;
  #state: number;
  #prefaceSeen = 0;
  #isSettingsAcked = false;
  /** The stream of the DATA frame being read; null when its bytes are to be dropped. */
  #dataStream: Http2Stream | null = null;
  /** Bytes of that frame that no window got back yet; what is left at its end was padding. */
  #uncredited = 0;

  constructor(owner: ReceiverOwner, block: HeaderBlock | undefined) {
    const { isServer, settings } = owner;
    this.#owner = owner;
    this.#isServer = isServer;
    this.#settings = settings;
    this.#sender = owner.sender;
    this.#streams = owner.streams;
    this.#window = owner.window;
    this.#faults = new Faults(owner);
    this.#reader = new FrameReader(this);
    this.#collector = new HeaderCollector(settings.headers.maxListBytes);
    this.#heads = new HeadReader(block ?? new HeaderBlock(settings.headers));
    this.#state = isServer ? EXPECT_PREFACE : EXPECT_SETTINGS;
  }

  /** The peer has taken our SETTINGS. */
  get isSettingsAcked(): boolean {
    return this.#isSettingsAcked;
  }

  receive(chunk: Uint8Array): void {
    const from = this.#state === EXPECT_PREFACE ? this.#preface(chunk) : 0;
    if (from >= 0) this.#reader.read(chunk, from, chunk.length);
  }

  /** Makes a stream and puts it into the table. */
  newStream(id: number): Http2Stream {
    const { initialStreamWindowBytes } = this.#settings;
    // Until the peer has acknowledged our SETTINGS it may count on the protocol's default.
    const window = this.#isSettingsAcked
      ? initialStreamWindowBytes
      : Math.max(initialStreamWindowBytes, DEFAULT_WINDOW_BYTES);
    const stream = new Http2Stream(id, this.#owner, this.#sender.peer.initialWindowBytes, window);
    this.#streams.add(stream);
    return stream;
  }

  // --- FrameSink ---

  frameBegins(type: number, flags: number, streamId: number, length: number): boolean {
    if (length > this.#settings.maxFrameBytes) return this.#fail(FRAME_SIZE_ERROR, "a frame above our limit");
    if (this.#state === EXPECT_SETTINGS) {
      if (type !== SETTINGS || (flags & ACK) !== 0) return this.#fail(PROTOCOL_ERROR, "no SETTINGS at the beginning");
      this.#state = LIVE;
    }
    const blockId = this.#collector.streamId;
    if (blockId !== 0 && (type !== CONTINUATION || streamId !== blockId)) {
      return this.#fail(PROTOCOL_ERROR, "a frame inside a header block (RFC 9113 §4.3)");
    }
    if (type === DATA) return this.#dataBegins(streamId, length, flags);
    if (type !== HEADERS && type !== CONTINUATION) return true;
    if (this.#collector.hasRoom(length)) return true;
    return this.#fail(ENHANCE_YOUR_CALM, "a header block above our limit"); // CVE-2024-27316 and its family
  }

  dataPiece(_streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    const stream = this.#dataStream;
    this.#uncredited -= to - from;
    if (stream === null || stream.isDiscarded) {
      this.#owner.returnCredit(null, to - from);
      return true;
    }
    if (stream.remainingLength >= 0) {
      stream.remainingLength -= to - from;
      if (stream.remainingLength < 0) {
        this.#owner.returnCredit(null, to - from);
        return this.#faults.onStream(stream, PROTOCOL_ERROR); // more than content-length said, in a padded frame
      }
    }
    stream.deliver(bytes, from, to);
    return !this.#owner.isFailed;
  }

  dataEnds(flags: number, streamId: number): boolean {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (this.#uncredited > 0) this.#owner.returnCredit(stream, this.#uncredited);
    if (stream === null || (flags & END_STREAM) === 0 || this.#streams.get(streamId) !== stream) return true;
    if (stream.remainingLength > 0) return this.#faults.onStream(stream, PROTOCOL_ERROR); // less than content-length said
    this.#owner.remoteEnded(stream);
    stream.deliverEnd(null);
    return !this.#owner.isFailed;
  }

  badPadding(): boolean {
    return this.#fail(PROTOCOL_ERROR, "padding longer than its frame");
  }

  frame(type: number, flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    const violation = checkFrame(type, flags, streamId, to - from);
    if (violation !== null) return this.#fail(violation.code, violation.reason);
    switch (type) {
      case HEADERS:
        return this.#headers(flags, streamId, bytes, from, to);
      case CONTINUATION:
        return this.#continuation(flags, streamId, bytes, from, to);
      case WINDOW_UPDATE:
        return this.#windowUpdate(streamId, readUint31(bytes, from));
      case RST_STREAM:
        return this.#rstStream(streamId, readUint32(bytes, from));
      case SETTINGS:
        return (flags & ACK) !== 0 ? this.#settingsAck() : this.#peerSettings(bytes, from, to);
      case PING:
        return this.#ping(flags, bytes, from, to);
      case GOAWAY:
        return this.#goAway(readUint31(bytes, from), readUint32(bytes, from + 4));
      case PRIORITY:
        return this.#priority(streamId, bytes, from, to);
      default:
        return this.#faults.cheap(1); // RFC 9113 §5.5: unknown types are ignored
    }
  }

  // --- messages ---

  /** RFC 9113 §6.1 and §6.9: both windows count the whole payload, padding included. */
  #dataBegins(streamId: number, length: number, flags: number): boolean {
    if (streamId === 0) return this.#fail(PROTOCOL_ERROR, "DATA on stream 0");
    if (!this.#window.take(length)) return this.#fail(FLOW_CONTROL_ERROR, "DATA beyond the connection's window");
    this.#uncredited = length;
    const stream = this.#streams.get(streamId);
    this.#dataStream = null;
    if (stream === undefined) return this.#faults.onUnknown(streamId);
    if ((stream.state & HALF_CLOSED_REMOTE) !== 0) return this.#faults.onStream(stream, STREAM_CLOSED);
    if (!this.#isServer && !stream.hasResponse) return this.#faults.onStream(stream, PROTOCOL_ERROR);
    const isBeyondLength = stream.remainingLength >= 0 && (flags & PADDED) === 0 && length > stream.remainingLength;
    if (isBeyondLength) return this.#faults.onStream(stream, PROTOCOL_ERROR); // RFC 9113 §8.1.1, before a byte is passed on
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) return this.#faults.onStream(stream, FLOW_CONTROL_ERROR);
    this.#dataStream = stream;
    if (length === 0 && (flags & END_STREAM) === 0) return this.#faults.cheap(1); // CVE-2019-9518
    return true;
  }

  #headers(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    const collector = this.#collector;
    const reason = collector.begin(flags, streamId, bytes, from, to);
    if (reason !== "") return this.#fail(PROTOCOL_ERROR, reason);
    if ((flags & END_HEADERS) !== 0) return this.#headerBlock(streamId, bytes, collector.from, collector.to);
    return collector.from < collector.to || this.#faults.cheap(1);
  }

  #continuation(flags: number, streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    const collector = this.#collector;
    if (collector.streamId === 0) return this.#fail(PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    const isLast = (flags & END_HEADERS) !== 0;
    if (to - from < SMALL_CONTINUATION && !isLast && !this.#faults.cheap(CONTINUATION_COST)) return false;
    collector.append(bytes, from, to, isLast);
    if (!isLast) return true;
    const { kept } = collector;
    const goesOn = this.#headerBlock(streamId, kept.bytes, kept.start, kept.end);
    collector.clear();
    return goesOn;
  }

  /** A whole header block: always decoded, so that the tables stay equal, whatever becomes of the message. */
  #headerBlock(streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    const { flags, isSelfDependent } = this.#collector;
    const isEnd = (flags & END_STREAM) !== 0;
    if (!this.#decoder.decode(bytes, from, to, this.#heads.block)) {
      return this.#fail(COMPRESSION_ERROR, "a header block that HPACK cannot read");
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#unknownHeaders(streamId, isEnd, isSelfDependent);
    if ((stream.state & HALF_CLOSED_REMOTE) !== 0) return this.#faults.onStream(stream, STREAM_CLOSED);
    if (isSelfDependent) return this.#faults.onStream(stream, PROTOCOL_ERROR);
    if (this.#isServer || stream.hasResponse) return this.#trailers(stream, isEnd);
    return this.#response(stream, isEnd);
  }

  #unknownHeaders(streamId: number, isEnd: boolean, isSelfDependent: boolean): boolean {
    const streams = this.#streams;
    if (!streams.isNew(streamId)) return this.#faults.onUnknown(streamId);
    if (this.#owner.hasRefused(streamId)) return true;
    streams.sawId(streamId);
    if (isSelfDependent) return this.#faults.refuse(streamId, PROTOCOL_ERROR);
    if (streams.size >= this.#settings.maxConcurrentStreams) return this.#faults.refuse(streamId, REFUSED_STREAM);
    if (this.#heads.block.isTooLarge) return this.#tooLarge(streamId, isEnd);
    if (this.#heads.readRequest(isEnd) !== "") return this.#faults.refuse(streamId, PROTOCOL_ERROR);
    const stream = this.newStream(streamId);
    stream.isHeadRequest = this.#heads.request.method === "HEAD";
    stream.remainingLength = this.#heads.block.contentLength;
    if (isEnd) stream.state |= HALF_CLOSED_REMOTE;
    this.#owner.request(stream, this.#heads.request);
    if (isEnd) stream.deliverEnd(null);
    return !this.#owner.isFailed;
  }

  #response(stream: Http2Stream, isEnd: boolean): boolean {
    const { block, response } = this.#heads;
    if (block.isTooLarge) return this.#faults.onStream(stream, ENHANCE_YOUR_CALM);
    if (this.#heads.readResponse(isEnd, stream.isHeadRequest) !== "")
      return this.#faults.onStream(stream, PROTOCOL_ERROR);
    if (response.status >= 200) {
      stream.hasResponse = true;
      stream.remainingLength = response.bodyLength; // -1 when not announced
    } else if (!this.#faults.cheap(1)) return false;
    stream.owner?.head(response);
    if (isEnd && !stream.isDiscarded) {
      this.#owner.remoteEnded(stream);
      stream.deliverEnd(null);
    }
    return !this.#owner.isFailed;
  }

  /** RFC 9113 §8.1: a second HEADERS ends the stream. */
  #trailers(stream: Http2Stream, isEnd: boolean): boolean {
    const { block } = this.#heads;
    const isWrong = !isEnd || block.isTooLarge || this.#heads.readTrailers() !== "" || stream.remainingLength > 0;
    if (isWrong) return this.#faults.onStream(stream, PROTOCOL_ERROR);
    this.#owner.remoteEnded(stream);
    stream.deliverEnd(block.fields);
    return !this.#owner.isFailed;
  }

  // --- frames that steer ---

  /** RFC 9113 §5.3.2: priorities are read, checked and ignored (CVE-2019-9513). */
  #priority(streamId: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (to - from !== 5) return this.#faults.onId(streamId, FRAME_SIZE_ERROR);
    if (readUint31(bytes, from) === streamId) return this.#faults.onId(streamId, PROTOCOL_ERROR);
    return this.#faults.cheap(1);
  }

  #rstStream(streamId: number, code: number): boolean {
    if (this.#streams.isIdle(streamId)) return this.#fail(PROTOCOL_ERROR, "RST_STREAM on an idle stream");
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#faults.cheap(1);
    this.#streams.noteEnded(streamId);
    this.#owner.remove(stream);
    const { owner } = stream;
    stream.discard();
    owner?.reset(code, RESET_BY_PEER);
    return this.#faults.reset(1);
  }

  #settingsAck(): boolean {
    this.#isSettingsAcked = true;
    return this.#faults.cheap(1);
  }

  #peerSettings(bytes: Uint8Array, from: number, to: number): boolean {
    const { peer } = this.#sender;
    const before = peer.initialWindowBytes;
    const code = peer.apply(bytes, from, to, !this.#isServer);
    if (code !== NO_ERROR) return this.#fail(code, "SETTINGS with a value that is not allowed");
    this.#sender.setPeerTableBytes();
    if (!this.#streams.moveSendWindows(peer.initialWindowBytes - before)) {
      return this.#fail(FLOW_CONTROL_ERROR, "SETTINGS that lift a window beyond 2^31-1");
    }
    this.#sender.settingsAck();
    this.#sender.pump();
    this.#owner.settled();
    return this.#faults.cheap(SETTINGS_COST); // CVE-2019-9515
  }

  #ping(flags: number, bytes: Uint8Array, from: number, to: number): boolean {
    if ((flags & ACK) === 0) this.#sender.ping(bytes.subarray(from, to), true);
    else this.#owner.pong(bytes[from]);
    return this.#faults.cheap(1); // CVE-2019-9512
  }

  #goAway(lastId: number, code: number): boolean {
    if (!this.#faults.cheap(1)) return false;
    this.#owner.peerGoesAway(lastId, code);
    return !this.#owner.isFailed;
  }

  #windowUpdate(streamId: number, increment: number): boolean {
    if (streamId === 0) {
      if (increment === 0) return this.#fail(PROTOCOL_ERROR, "a WINDOW_UPDATE of 0");
      if (!this.#sender.grow(increment)) return this.#fail(FLOW_CONTROL_ERROR, "a connection window beyond 2^31-1");
      return this.#faults.cheap(1);
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      if (this.#streams.isIdle(streamId)) return this.#fail(PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream");
      return this.#faults.cheap(1);
    }
    if (increment === 0) return this.#faults.onStream(stream, PROTOCOL_ERROR); // RFC 9113 §6.9
    if (!this.#sender.growStream(stream, increment)) return this.#faults.onStream(stream, FLOW_CONTROL_ERROR);
    return this.#faults.cheap(1);
  }

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

  // --- what follows from them ---

  /** RFC 6585 §5: an answer helps more than a reset. */
  #tooLarge(streamId: number, isEnd: boolean): boolean {
    const stream = this.newStream(streamId);
    if (isEnd) stream.state |= HALF_CLOSED_REMOTE;
    stream.respond(TOO_LARGE, NO_FIELDS);
    if (!isEnd) this.#owner.resetStream(stream, NO_ERROR);
    return this.#faults.reset(isEnd ? 2 : 1); // one is what its completion earned
  }

  #fail(code: number, reason: string): false {
    return this.#owner.fail(code, reason);
  }
}

const EXPECT_PREFACE = 0;
const EXPECT_SETTINGS = 1;
const LIVE = 2;

/** A CONTINUATION this short is not about space; a block may have few of them. */
const SMALL_CONTINUATION = 64;
const CONTINUATION_COST = 10;
const NO_FIELDS: readonly HeaderLine[] = [];
const TOO_LARGE = Object.assign(new ResponseHead(), { status: 431, bodyLength: 0 });
