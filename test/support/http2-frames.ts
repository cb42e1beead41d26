import type { Fields } from "#fields";
import { HeaderLine, REMOVED } from "#fields";
import { HeaderBlock, HpackDecoder } from "#hpack";
import {
  CLIENT_PREFACE,
  DEFAULT_HTTP2_SETTINGS,
  errorName,
  Http2Connection,
  type Http2Settings,
  type Http2Stream,
  type StreamOwner,
} from "#http2";
import type { RequestHead, ResponseHead } from "#message";

/** Frames as a test writes them, and what a connection under test said, as lines of text. */
export const TYPES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
];

export function frame(
  type: string | number,
  flags: number,
  streamId: number,
  payload: Uint8Array | string = "",
): Uint8Array {
  const body = typeof payload === "string" ? Buffer.from(payload.replaceAll(" ", ""), "hex") : payload;
  const bytes = new Uint8Array(9 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length << 8);
  bytes[3] = typeof type === "number" ? type : TYPES.indexOf(type);
  bytes[4] = flags;
  view.setUint32(5, streamId);
  bytes.set(body, 9);
  return bytes;
}

export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY_FLAG = 0x20;

/** A header block of literals without indexing. */
export function block(...lines: (readonly [string, string])[]): Uint8Array {
  return Buffer.concat(lines.map(([name, value]) => new HeaderLine(name, value).hpack));
}

export const GET = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a.b"],
] as const;
export const POST = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "a.b"],
] as const;

export function headers(
  streamId: number,
  lines: readonly (readonly [string, string])[],
  flags: number = END_STREAM,
): Uint8Array {
  return frame("HEADERS", flags | END_HEADERS, streamId, block(...lines));
}

export function data(streamId: number, text: string | Uint8Array, flags = 0): Uint8Array {
  return frame("DATA", flags, streamId, typeof text === "string" ? Buffer.from(text) : text);
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function windowUpdate(streamId: number, increment: number): Uint8Array {
  return frame("WINDOW_UPDATE", 0, streamId, uint32(increment));
}

export function rst(streamId: number, code: number): Uint8Array {
  return frame("RST_STREAM", 0, streamId, uint32(code));
}

export function settings(...pairs: [number, number][]): Uint8Array {
  return frame(
    "SETTINGS",
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id]), uint32(value)]))),
  );
}

export function goAway(lastId: number, code: number): Uint8Array {
  return frame("GOAWAY", 0, 0, Buffer.concat([uint32(lastId), uint32(code)]));
}

export const PREFACE: Uint8Array = Buffer.concat([CLIENT_PREFACE, settings()]);

/** Frames as lines: `RST_STREAM 1 CANCEL`, `HEADERS 1 END :status=200`, `DATA 1 5`, `GOAWAY 1 NO_ERROR`, `SETTINGS ACK`. */
export function describeFrames(bytes: Uint8Array, decoder = new HpackDecoder()): string[] {
  const lines: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at) >>> 8;
    const payload = bytes.subarray(at + 9, at + 9 + length);
    lines.push(describeFrame(TYPES[bytes[at + 3]], bytes[at + 4], view.getUint32(at + 5), payload, decoder));
    at += 9 + length;
  }
  return lines;
}

function describeFrame(type: string, flags: number, id: number, payload: Uint8Array, decoder: HpackDecoder): string {
  const number = (at: number) => new DataView(payload.buffer, payload.byteOffset).getUint32(at);
  const end = flags & 1 ? " END" : "";
  switch (type) {
    case "DATA":
      return `DATA ${id} ${payload.length}${end}`;
    case "HEADERS":
      return `HEADERS ${id}${end} ${fieldLines(payload, decoder).join(" ")}`.trimEnd();
    case "RST_STREAM":
      return `RST_STREAM ${id} ${errorName(number(0))}`;
    case "GOAWAY":
      return `GOAWAY ${number(0)} ${errorName(number(4))}`;
    case "WINDOW_UPDATE":
      return `WINDOW_UPDATE ${id} ${number(0)}`;
    case "SETTINGS":
    case "PING":
      return flags & 1 ? `${type} ACK` : type;
    default:
      return `${type} ${id}`;
  }
}

function fieldLines(payload: Uint8Array, decoder: HpackDecoder): string[] {
  const list = new HeaderBlock();
  if (!decoder.decode(payload, 0, payload.length, list)) return ["UNREADABLE"];
  const pseudo = (["method", "path", "authority", "status"] as const).filter((name) => list[name] !== "");
  return [...pseudo.map((name) => `:${name}=${list[name]}`), ...fieldTexts(list.fields)];
}

export function fieldTexts(fields: Fields): string[] {
  const texts: string[] = [];
  for (let index = 0; index < fields.count; index++) {
    if (fields.id(index) !== REMOVED) texts.push(`${fields.name(index)}=${fields.value(index)}`);
  }
  return texts;
}

/**
 * A connection under test with an owner that notes what it hears. Requests are answered only when the test says so.
 * Data that follows data of the same stream is one event, so that cutting the input changes nothing.
 */
export class Listener {
  readonly connection: Http2Connection;
  readonly events: string[] = [];
  readonly streams = new Map<number, Http2Stream>();
  nowMs = 0;
  /** What `data` answers. */
  takesData = true;
  readonly #decoder = new HpackDecoder();
  #dataEvent: { stream: number; text: string } | null = null;

  constructor(isServer: boolean, settings: Partial<Http2Settings> = {}) {
    const own = { ...DEFAULT_HTTP2_SETTINGS, ...settings };
    this.connection = new Http2Connection(
      isServer,
      own,
      {
        request: (stream, head) => this.#request(stream, head),
        dirty: () => {},
        capacityChanged: () => {},
        goingAway: () => {},
        failed: (code) => this.note(`failed ${errorName(code)}`),
        finished: () => this.note("finished"),
      },
      () => this.nowMs,
    );
    this.connection.start();
  }

  /** A server behind its preface and SETTINGS, whose own first frames were looked at. */
  static server(settings: Partial<Http2Settings> = {}): Listener {
    const listener = new Listener(true, settings);
    listener.receive(PREFACE);
    listener.sent();
    return listener;
  }

  static client(settings: Partial<Http2Settings> = {}): Listener {
    const listener = new Listener(false, settings);
    listener.receive(frame("SETTINGS", 0, 0));
    listener.sent();
    return listener;
  }

  receive(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.connection.receive(chunk);
  }

  /** What it wrote since the last call, as lines. */
  sent(): string[] {
    const { output } = this.connection.sender;
    const bytes = output.bytes.slice(output.start, output.end);
    output.consume(bytes.length);
    if (bytes.length > 0) this.connection.flushed();
    const skip = Buffer.from(bytes).subarray(0, 24).equals(Buffer.from(CLIENT_PREFACE)) ? 24 : 0;
    return describeFrames(bytes.subarray(skip), this.#decoder);
  }

  /** What its owner heard since the last call. */
  heard(): string[] {
    this.#dataEvent = null;
    return this.events.splice(0);
  }

  note(event: string): void {
    this.#dataEvent = null;
    this.events.push(event);
  }

  /** Takes the streams' events as `owner`. */
  owner(id: number): StreamOwner {
    return {
      head: (head: ResponseHead) => this.note(`response ${id} ${[head.status, ...fieldTexts(head.fields)].join(" ")}`),
      data: (bytes, from, to) => this.#data(id, Buffer.from(bytes.subarray(from, to)).toString("latin1")),
      ended: (trailers) => this.note(["end", id, ...(trailers === null ? [] : fieldTexts(trailers))].join(" ")),
      reset: (code, origin) =>
        this.note(
          `reset ${id} ${errorName(code)} ${["by peer", "by rule", "never processed", "lost", "never sent", "stalled"][origin]}`,
        ),
      writable: () => this.note(`writable ${id}`),
    };
  }

  open(head: RequestHead): Http2Stream {
    const id = this.streams.size * 2 + 1;
    const stream = this.connection.open(head, [], this.owner(id));
    this.streams.set(id, stream);
    return stream;
  }

  #request(stream: Http2Stream, head: RequestHead): void {
    this.streams.set(stream.id, stream);
    stream.owner = this.owner(stream.id);
    this.note(
      ["request", stream.id, head.method, head.path, head.authority, ...fieldTexts(head.fields)]
        .filter((part) => part !== "")
        .join(" "),
    );
  }

  #data(stream: number, text: string): boolean {
    if (this.#dataEvent?.stream === stream) this.events.pop();
    else this.#dataEvent = { stream, text: "" };
    const event = this.#dataEvent!;
    event.text += text;
    this.events.push(`data ${stream} ${event.text.length > 40 ? event.text.length : event.text}`);
    return this.takesData;
  }
}
