import type { Fields, HeaderLine } from "#fields";
import { HTTP_2, type ResponseHead } from "#message";
import { OutputBuffer } from "#output";

/**
 * RFC 9113 §5.1 as two bits: who has ended its half. Idle streams are only ids, reserved ones do not exist (no push).
 *
 *              OPEN
 *    END_STREAM sent │ END_STREAM came
 *   HALF_CLOSED_LOCAL  HALF_CLOSED_REMOTE
 *              └── CLOSED ──┘   (or RST_STREAM from anywhere)
 */
export const OPEN = 0;
export const HALF_CLOSED_LOCAL = 1;
export const HALF_CLOSED_REMOTE = 2;
export const CLOSED = 3;

/** Why a stream ended before its time. */
export const RESET_BY_PEER = 0;
/** We reset it because of what the peer sent. */
export const RESET_BY_RULE = 1;
/** The peer's GOAWAY says that it never saw the stream. */
export const NEVER_PROCESSED = 2;
/** The connection broke under it. */
export const CONNECTION_LOST = 3;
/** The connection broke before a byte of it was written. */
export const NEVER_SENT = 4;
/** We reset it because its bytes found no window for too long. */
export const STALLED = 5;

/** What a stream tells whoever uses it. Views and fields are lent until the call returns. */
export interface StreamOwner {
  /** Client role: a 1xx or the final head. */
  head(head: ResponseHead): void;
  /** False: no more until `stream.resume()`. */
  data(bytes: Uint8Array, from: number, to: number): boolean;
  ended(trailers: Fields | null): void;
  /** The last call, unless both halves had ended. `code` is RFC 9113 §7's. */
  reset(code: number, origin: number): void;
  /** `send` takes bytes again. */
  writable(): void;
}

/** What a stream needs of the connection that it lives on. */
export interface StreamHost {
  /** The most that one stream can hold unread. */
  readonly maxUnreadBytes: number;
  readonly sender: {
    response(stream: Http2Stream, head: ResponseHead, added: readonly HeaderLine[]): void;
    body(stream: Http2Stream, bytes: Uint8Array, from: number, to: number): boolean;
    end(stream: Http2Stream, trailers: Fields | null, version: number): void;
  };
  resetStream(stream: Http2Stream, code: number): void;
  returnCredit(stream: Http2Stream | null, bytes: number): void;
}

/**
 * What stands in one direction of a stream: bytes, and perhaps the end behind them. Most streams never need one, which is
 * why it is no part of them: 70 bytes a stream, and the constructor's time.
 */
export class Backlog {
  bytes: OutputBuffer;
  hasEnd = false;
  /** Behind the bytes; a copy. */
  trailers: Fields | null = null;
  /** The protocol that the trailers come from. */
  version = HTTP_2;
  /** To send: bytes of it went out, or began to wait, since the last tick. */
  hasMoved = true;
  movedAtMs = 0;

  constructor(maxBytes: number) {
    this.bytes = new OutputBuffer(maxBytes);
  }

  /** Its bytes, which are then the caller's. */
  takeBytes(): OutputBuffer {
    const { bytes } = this;
    this.bytes = new OutputBuffer(bytes.maxBytes);
    return bytes;
  }

  /** Puts the end behind them. */
  finish(trailers: Fields | null, version: number): void {
    this.hasEnd = true;
    this.trailers = trailers === null ? null : trailers.copy();
    this.version = version;
  }
}

/**
 * One request and its response on a connection. Holds at most its receive window of unread bytes, and unsent bytes up
 * to `maxQueuedBytes` plus one chunk of its producer.
 */
export class Http2Stream {
  readonly id: number;
  readonly connection: StreamHost;
  owner: StreamOwner | null = null;
  state = OPEN;
  /** What we may still send. */
  sendWindow: number;
  /** What the peer may still send. */
  receiveWindow: number;
  /** The window that credit restores; grows once. */
  windowTarget: number;
  /** Read and not yet given back as credit. */
  unreturned = 0;
  /** Announced bytes still to come; -1 when not announced. */
  remainingLength = -1;
  /** The response to it has no body: a HEAD request. */
  isHeadRequest = false;
  /** A final response head was sent or came. */
  hasResponse = false;
  isPaused = false;
  /** It was reset: whatever still comes is dropped. */
  isDiscarded = false;
  /** The sender keeps it in its waiting list. */
  isWaiting = false;
  /** The producer was told to stop. */
  isBlocked = false;
  /** What waits for the peer's window. */
  unsent: Backlog | null = null;
  /** What was read and not taken: it stands behind a pause. */
  unread: Backlog | null = null;

  constructor(id: number, connection: StreamHost, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.connection = connection;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
    this.windowTarget = receiveWindow;
  }

  /** Bytes that wait for the peer's window. */
  get queuedToSend(): number {
    return this.unsent === null ? 0 : this.unsent.bytes.size;
  }

  /** Bytes read and not taken. */
  get queuedToRead(): number {
    return this.unread === null ? 0 : this.unread.bytes.size;
  }

  get isLocalEnded(): boolean {
    return (this.state & HALF_CLOSED_LOCAL) !== 0 || this.unsent?.hasEnd === true;
  }

  /** Server role: a 1xx or the final head. */
  respond(head: ResponseHead, added: readonly HeaderLine[]): void {
    this.connection.sender.response(this, head, added);
  }

  /** Body bytes [from, to). False: stop until `writable`. */
  send(bytes: Uint8Array, from: number, to: number): boolean {
    return this.connection.sender.body(this, bytes, from, to);
  }

  /** Ends our half; `version` says from which protocol the trailers are. */
  end(trailers: Fields | null, version: number): void {
    this.connection.sender.end(this, trailers, version);
  }

  /** Ends both halves with RST_STREAM. The owner hears nothing more. */
  reset(code: number): void {
    this.connection.resetStream(this, code);
  }

  pause(): void {
    this.isPaused = true;
  }

  /** Hands over what waited, then lets new bytes through. */
  resume(): void {
    this.isPaused = false;
    if (this.unread !== null && this.unread.bytes.size > 0) this.#handOver(this.unread.takeBytes());
    if (!this.isPaused && this.unread !== null && this.unread.hasEnd) this.#finishReading(this.unread);
  }

  /** Bytes came from the peer. */
  deliver(bytes: Uint8Array, from: number, to: number): void {
    if (this.isPaused || this.owner === null) {
      // The window bounds the backlog: the peer gets no credit for what stands in it.
      this.unread ??= new Backlog(this.connection.maxUnreadBytes);
      this.unread.bytes.appendRange(bytes, from, to);
      return;
    }
    if (!this.owner.data(bytes, from, to)) this.isPaused = true;
    this.connection.returnCredit(this, to - from);
  }

  /** The peer ended its half. The fields are lent. */
  deliverEnd(trailers: Fields | null): void {
    if (this.isDiscarded) return;
    if (!this.isPaused && this.owner !== null && this.queuedToRead === 0) this.owner.ended(trailers);
    else {
      this.unread ??= new Backlog(this.connection.maxUnreadBytes);
      this.unread.finish(trailers, HTTP_2);
    }
  }

  /** Nothing more goes either way; gives back the connection's credit for what nobody will read. */
  discard(): void {
    const unread = this.queuedToRead;
    this.isDiscarded = true;
    this.unread = null;
    this.unsent = null;
    this.owner = null;
    if (unread > 0) this.connection.returnCredit(this, unread);
  }

  /** What comes during the call waits behind: `isPaused` decides afterwards. */
  #handOver({ bytes, start, end }: OutputBuffer): void {
    const isWanted = this.owner === null || this.owner.data(bytes, start, end);
    if (!isWanted) this.isPaused = true;
    this.connection.returnCredit(this, end - start);
  }

  #finishReading({ trailers }: Backlog): void {
    this.unread = null;
    this.owner?.ended(trailers);
  }
}
