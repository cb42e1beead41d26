import type { HeaderLine } from "#fields";
import type { HeaderBlock } from "#hpack";
import type { RequestHead } from "#message";
import { CANCEL, NO_ERROR, SETTINGS_TIMEOUT } from "./error-code.ts";
import { FloodGuard } from "./flood-guard.ts";
import { CLIENT_PREFACE } from "./frame.ts";
import { giveBackToStream, ReceiveWindow } from "./receive-window.ts";
import { Http2Receiver, type ReceiverOwner } from "./receiver.ts";
import { Http2Sender, type SenderOwner } from "./sender.ts";
import { DEFAULT_WINDOW_BYTES, type Http2Settings, settingsToSend } from "./settings.ts";
import {
  CLOSED,
  CONNECTION_LOST,
  HALF_CLOSED_REMOTE,
  type Http2Stream,
  NEVER_PROCESSED,
  NEVER_SENT,
  STALLED,
  type StreamOwner,
} from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

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
 * It holds the two halves (`Http2Receiver`, `Http2Sender`) and the streams together, from the preface to the end:
 *
 *   NOT_DRAINING -> DRAIN_ANNOUNCED (a server with live streams waits for its PING) -> DRAINING -> finished
 *   from anywhere: failed (by the peer's fault) or lost (the transport is gone)
 *
 * Every bound on what the peer can make it hold or do: streams by `maxConcurrentStreams`, header blocks before they are
 * buffered, bodies by the receive windows, cheap frames and resets by budgets that time and useful work refill; in time,
 * by `tick`: SETTINGS of ours without answer, and bytes of ours that find no window.
 */
export class Http2Connection implements ReceiverOwner, SenderOwner {
  readonly isServer: boolean;
  readonly settings: Http2Settings;
  readonly sender: Http2Sender;
  readonly streams: StreamTable;
  readonly window: ReceiveWindow;
  readonly floods: FloodGuard;
  readonly #owner: Http2Owner;
  readonly #receiver: Http2Receiver;
  #isFailed = false;
  #isGoingAway = false;
  #hasPeerSettings = false;
  #drainState = NOT_DRAINING;
  /** Client role: of streams from this id on the transport has taken nothing. */
  #unsentFromId = 1;
  #settingsSinceMs = -1; // the first tick without their ACK
  /** PINGs of ours without answer. */
  unansweredPings = 0;

  constructor(isServer: boolean, settings: Http2Settings, owner: Http2Owner, nowMs: () => number, block?: HeaderBlock) {
    this.isServer = isServer;
    this.settings = settings;
    this.#owner = owner;
    this.sender = new Http2Sender(settings, this);
    this.streams = new StreamTable(isServer);
    this.window = new ReceiveWindow(settings.connectionWindowBytes);
    this.floods = new FloodGuard(isServer, nowMs);
    this.#receiver = new Http2Receiver(this, block);
  }

  /** Sends our side of the preface (RFC 9113 §3.4). Call once, when there is a transport to write to. */
  start(): void {
    if (!this.isServer) this.sender.preface(CLIENT_PREFACE);
    this.sender.settings(settingsToSend(this.settings, this.isServer));
    const more = this.window.firstIncrement;
    if (more > 0) this.sender.windowUpdate(0, more);
  }

  get isFailed(): boolean {
    return this.#isFailed;
  }

  get isGoingAway(): boolean {
    return this.#isGoingAway;
  }

  get streamCount(): number {
    return this.streams.size;
  }

  /** The most that one stream can hold unread. */
  get maxUnreadBytes(): number {
    return 2 * Math.max(this.settings.streamWindowBytes, this.settings.initialStreamWindowBytes, DEFAULT_WINDOW_BYTES);
  }

  /** Streams that may be opened now (client role). Before the peer's SETTINGS its default is assumed. */
  get capacity(): number {
    if (this.#isGoingAway || this.streams.isUsedUp) return 0;
    return Math.max(0, this.sender.peer.maxConcurrentStreams - this.streams.size);
  }

  /** Takes bytes from the transport. */
  receive(chunk: Uint8Array): void {
    if (!this.#isFailed) this.#receiver.receive(chunk);
  }

  /** Client role: opens a stream. The caller has looked at `capacity`. */
  open(head: RequestHead, added: readonly HeaderLine[], owner: StreamOwner): Http2Stream {
    const stream = this.#receiver.newStream(this.streams.takeId());
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
    if (this.#drainState !== NOT_DRAINING || this.#isFailed) return;
    if (this.isServer && this.streams.size > 0 && this.#hasPeerSettings) {
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

  /** Checks the time limits. To be called about once a second with monotonic milliseconds. */
  tick(nowMs: number): void {
    if (this.#isFailed) return;
    if (!this.#receiver.isSettingsAcked) {
      if (this.#settingsSinceMs < 0) this.#settingsSinceMs = nowMs;
      if (nowMs - this.#settingsSinceMs >= SETTINGS_MS) {
        this.fail(SETTINGS_TIMEOUT, `SETTINGS without an ACK for ${SETTINGS_MS} ms`); // RFC 9113 §6.5.3
        return;
      }
    }
    for (const stream of this.sender.stalled(nowMs, STALL_MS)) {
      const { owner } = stream;
      this.resetStream(stream, CANCEL);
      owner?.reset(CANCEL, STALLED);
    }
  }

  /** The transport took bytes of `sender.output`: perhaps of every stream so far. */
  flushed(): void {
    this.#unsentFromId = this.streams.nextId;
    this.sender.flushed();
  }

  /** The transport is gone: tells every stream. */
  lost(): void {
    this.#isFailed = true;
    this.#isGoingAway = true;
    this.#abandonAll();
  }

  /** Ends a stream with RST_STREAM; its owner hears nothing more. */
  resetStream(stream: Http2Stream, code: number): void {
    if (this.streams.get(stream.id) === undefined) {
      stream.discard();
      return;
    }
    this.streams.noteReset(stream.id);
    if (!this.#isFailed) this.sender.rstStream(stream.id, code);
    this.remove(stream);
    stream.discard();
  }

  /** Gives the peer room again for `bytes` that were taken. */
  returnCredit(stream: Http2Stream | null, bytes: number): void {
    if (this.#isFailed) return;
    const more = this.window.giveBack(bytes);
    if (more > 0) this.sender.windowUpdate(0, more);
    if (stream === null || (stream.state & HALF_CLOSED_REMOTE) !== 0) return;
    const moreForStream = giveBackToStream(stream, bytes, this.settings.streamWindowBytes);
    if (moreForStream > 0) this.sender.windowUpdate(stream.id, moreForStream);
  }

  // --- SenderOwner ---

  dirty(): void {
    this.#owner.dirty();
  }

  dataSent(): void {
    this.floods.dataSent();
  }

  streamClosed(stream: Http2Stream): void {
    this.floods.streamCompleted();
    this.streams.noteEnded(stream.id);
    this.remove(stream);
  }

  // --- ReceiverOwner ---

  request(stream: Http2Stream, head: RequestHead): void {
    this.#owner.request(stream, head);
  }

  remoteEnded(stream: Http2Stream): void {
    stream.state |= HALF_CLOSED_REMOTE;
    if (stream.state === CLOSED) this.streamClosed(stream);
  }

  remove(stream: Http2Stream): void {
    stream.state = CLOSED;
    if (!this.streams.remove(stream)) return;
    this.sender.forget(stream);
    this.#owner.capacityChanged();
    this.#finishWhenEmpty();
  }

  settled(): void {
    this.#hasPeerSettings = true;
    this.#owner.capacityChanged();
  }

  pong(first: number): void {
    if (this.#drainState === DRAIN_ANNOUNCED && first === DRAIN_PING[0]) this.#finishDrain();
    else this.unansweredPings = 0;
  }

  /** RFC 9113 §6.8: streams of ours above the id were never processed and may be tried again. */
  peerGoesAway(lastId: number, code: number): void {
    this.#isGoingAway = true;
    this.#owner.goingAway();
    if (!this.isServer) {
      for (const stream of this.streams.all()) if (stream.id > lastId) this.#abandon(stream, code, NEVER_PROCESSED);
    }
    this.#finishWhenEmpty();
  }

  hasRefused(streamId: number): boolean {
    return this.#drainState === DRAINING && streamId > this.streams.lastPeerId;
  }

  /** A connection error (RFC 9113 §5.4.1): GOAWAY, and nothing is read any more. Answers false for the reader. */
  fail(code: number, reason: string): false {
    if (this.#isFailed) return false;
    this.#isFailed = true;
    this.#isGoingAway = true;
    this.sender.goAway(this.streams.lastPeerId, code, reason);
    this.#abandonAll();
    this.#owner.goingAway();
    this.#owner.failed(code, reason);
    return false;
  }

  #finishDrain(): void {
    this.#drainState = DRAINING;
    this.#isGoingAway = true;
    this.sender.goAway(this.streams.lastPeerId, NO_ERROR, "");
    this.#owner.goingAway();
    this.#finishWhenEmpty();
  }

  #finishWhenEmpty(): void {
    if (this.#isGoingAway && this.streams.size === 0 && !this.#isFailed) this.#owner.finished();
  }

  #abandonAll(): void {
    for (const stream of this.streams.all()) {
      const isUnsent = !this.isServer && stream.id >= this.#unsentFromId;
      this.#abandon(stream, NO_ERROR, isUnsent ? NEVER_SENT : CONNECTION_LOST);
    }
  }

  #abandon(stream: Http2Stream, code: number, origin: number): void {
    const { owner } = stream;
    this.remove(stream);
    stream.discard();
    owner?.reset(code, origin);
  }
}

const NOT_DRAINING = 0;
const DRAIN_ANNOUNCED = 1;
const DRAINING = 2;

const SETTINGS_MS = 10_000;
/** As HTTP/1 connections bound clients that take nothing of a response. */
const STALL_MS = 60_000;
const KEEP_ALIVE_PING = Buffer.from("linkerdk", "latin1");
const DRAIN_PING = Buffer.from("drain-ts", "latin1");
