import { DEFAULT_HEADER_LIMITS, type HeaderLimits } from "#hpack";
import { FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR } from "./error-code.ts";
import { DEFAULT_FRAME_BYTES, readUint32 } from "./frame.ts";

/** RFC 9113 §6.9.2: every window before SETTINGS and WINDOW_UPDATE say otherwise. */
export const DEFAULT_WINDOW_BYTES = 65_535;
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;

/** Our half of a connection's settings, and our own limits. All are bounds on what one peer can make us hold. */
export interface Http2Settings {
  /** A stream's first window: what one stalled stream can pin. */
  readonly initialStreamWindowBytes: number;
  /** A stream's window once its receiver has shown that it keeps up. */
  readonly streamWindowBytes: number;
  /** What all streams of a connection together can pin. */
  readonly connectionWindowBytes: number;
  /** Streams that the peer may have open (server role). */
  readonly maxConcurrentStreams: number;
  readonly maxFrameBytes: number;
  readonly headers: HeaderLimits;
  /** Bytes of one body that wait for the peer's window before the producer is told to stop; one more chunk may come. */
  readonly maxQueuedBytes: number;
  /** Unsent bytes of the connection at which DATA waits in its stream. */
  readonly outputHighBytes: number;
}

/**
 * 64 KiB for a stream at first, as Linkerd's proxy has it, then 1 MiB; 16 MiB for the connection: measured to be enough
 * for two hops at full speed, while a stalled stream pins no more than 64 KiB.
 */
export const DEFAULT_HTTP2_SETTINGS: Http2Settings = {
  initialStreamWindowBytes: DEFAULT_WINDOW_BYTES,
  streamWindowBytes: 1 << 20,
  connectionWindowBytes: 16 << 20,
  maxConcurrentStreams: 512,
  maxFrameBytes: DEFAULT_FRAME_BYTES,
  headers: DEFAULT_HEADER_LIMITS,
  maxQueuedBytes: 65_536,
  outputHighBytes: 256 * 1024,
};

/** What the peer allows; before its SETTINGS the values of RFC 9113 §6.5.2. */
export class PeerSettings {
  headerTableBytes = 4096;
  /** 100 is assumed until SETTINGS come, as Linkerd does; unlimited when they do not name it (RFC 9113 §6.5.2). */
  maxConcurrentStreams = 100;
  initialWindowBytes = DEFAULT_WINDOW_BYTES;
  maxFrameBytes = DEFAULT_FRAME_BYTES;
  maxHeaderListBytes = Number.MAX_SAFE_INTEGER;
  #hasCome = false;

  /** Takes one SETTINGS payload. Returns an error code; 0 when all is well. */
  apply(bytes: Uint8Array, from: number, to: number, isFromServer: boolean): number {
    if ((to - from) % 6 !== 0) return FRAME_SIZE_ERROR;
    if (!this.#hasCome) this.maxConcurrentStreams = UNLIMITED;
    this.#hasCome = true;
    for (let at = from; at < to; at += 6) {
      const code = this.#set((bytes[at] << 8) | bytes[at + 1], readUint32(bytes, at + 2), isFromServer);
      if (code !== NO_ERROR) return code;
    }
    return NO_ERROR;
  }

  #set(id: number, value: number, isFromServer: boolean): number {
    switch (id) {
      case HEADER_TABLE_SIZE:
        this.headerTableBytes = value;
        return NO_ERROR;
      case ENABLE_PUSH:
        return value > (isFromServer ? 0 : 1) ? PROTOCOL_ERROR : NO_ERROR;
      case MAX_CONCURRENT_STREAMS:
        this.maxConcurrentStreams = value;
        return NO_ERROR;
      case INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW_BYTES) return FLOW_CONTROL_ERROR;
        this.initialWindowBytes = value;
        return NO_ERROR;
      case MAX_FRAME_SIZE:
        if (value < DEFAULT_FRAME_BYTES || value > 0xffffff) return PROTOCOL_ERROR;
        this.maxFrameBytes = value;
        return NO_ERROR;
      case MAX_HEADER_LIST_SIZE:
        this.maxHeaderListBytes = value;
        return NO_ERROR;
      default:
        return NO_ERROR; // RFC 9113 §6.5.2: unknown settings are ignored
    }
  }
}

/** Our SETTINGS payload as [id, value] pairs: only what differs from the protocol's defaults. */
export function settingsToSend(settings: Http2Settings, isServer: boolean): [number, number][] {
  const pairs: [number, number][] = [];
  if (isServer) pairs.push([MAX_CONCURRENT_STREAMS, settings.maxConcurrentStreams]);
  else pairs.push([ENABLE_PUSH, 0]);
  if (settings.initialStreamWindowBytes !== DEFAULT_WINDOW_BYTES) {
    pairs.push([INITIAL_WINDOW_SIZE, settings.initialStreamWindowBytes]);
  }
  if (settings.maxFrameBytes !== DEFAULT_FRAME_BYTES) pairs.push([MAX_FRAME_SIZE, settings.maxFrameBytes]);
  pairs.push([MAX_HEADER_LIST_SIZE, settings.headers.maxListBytes]);
  return pairs;
}

const UNLIMITED = 2 ** 31 - 1;
const HEADER_TABLE_SIZE = 1;
const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MAX_HEADER_LIST_SIZE = 6;
