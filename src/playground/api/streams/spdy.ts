import { constants, createInflate, type Inflate } from "node:zlib";
import { DICTIONARY_ID, SPDY_DICTIONARY } from "./spdy-dictionary.ts";

/** What the other end opens and sends. */
export interface SpdySink {
  /** A new stream of the client's with its headers, names in lower case. */
  opened(stream: number, headers: ReadonlyMap<string, string>): void;
  data(stream: number, chunk: Uint8Array): void;
  /** The client has sent all on this stream. */
  finished(stream: number): void;
  /** The client gave the stream up. */
  reset(stream: number): void;
}

const SYN_STREAM = 1;
const SYN_REPLY = 2;
const RST_STREAM = 3;
const PING = 6;
const FIN = 1;
const MAX_FRAME_BYTES = 1024 * 1024;

/**
 * The server's end of SPDY/3.1 as kubectl's port-forward speaks it inside a websocket: bytes in, calls on a sink;
 * calls in, bytes out. No flow control (kubectl uses none). Header blocks of a connection share one zlib stream, so
 * frames are taken strictly one after the other.
 */
export class SpdySession {
  readonly #sink: SpdySink;
  readonly #write: (bytes: Buffer) => boolean;
  readonly #inflate: Inflate;
  #input: Buffer = Buffer.alloc(0);
  #hasReplied = false;
  #isReading = false;

  constructor(sink: SpdySink, write: (bytes: Buffer) => boolean) {
    this.#sink = sink;
    this.#write = write;
    this.#inflate = createInflate({ dictionary: SPDY_DICTIONARY, flush: constants.Z_SYNC_FLUSH });
  }

  /** Bytes from the client, cut anywhere. Rejects when they are not SPDY. */
  async read(chunk: Uint8Array): Promise<void> {
    this.#input = Buffer.concat([this.#input, chunk]);
    if (this.#isReading) return; // the reader below takes these too
    this.#isReading = true;
    try {
      for (let frame = this.#nextFrame(); frame; frame = this.#nextFrame())
        await this.#take(frame.head, frame.flags, frame.body);
    } finally {
      this.#isReading = false;
    }
  }

  /** Data on a stream of the client's. False: slow down. */
  send(stream: number, chunk: Uint8Array): boolean {
    return this.#write(Buffer.concat([head(stream, 0, chunk.length), chunk]));
  }

  /** Ends our side of a stream. */
  finish(stream: number): void {
    this.#write(head(stream, FIN, 0));
  }

  close(): void {
    this.#inflate.close();
  }

  #nextFrame(): { head: number; flags: number; body: Buffer } | undefined {
    if (this.#input.length < 8) return undefined;
    const length = this.#input.readUIntBE(5, 3);
    if (length > MAX_FRAME_BYTES)
      throw new Error(`Cannot read SPDY: a frame of ${length} bytes, at most ${MAX_FRAME_BYTES} are allowed`);
    if (this.#input.length < 8 + length) return undefined;
    const frame = {
      head: this.#input.readUInt32BE(0),
      flags: this.#input[4]!,
      body: this.#input.subarray(8, 8 + length),
    };
    this.#input = this.#input.subarray(8 + length);
    return frame;
  }

  async #take(word: number, flags: number, body: Buffer): Promise<void> {
    if (word >>> 31 === 0) {
      if (body.length > 0) this.#sink.data(word, body);
      if (flags & FIN) this.#sink.finished(word);
      return;
    }
    switch (word & 0xffff) {
      case SYN_STREAM:
        return this.#open(flags, body);
      case RST_STREAM:
        this.#sink.reset(body.readUInt32BE(0) & 0x7fffffff);
        return;
      case PING:
        this.#write(Buffer.concat([head(word, 0, body.length), body]));
        return;
    }
  }

  async #open(flags: number, body: Buffer): Promise<void> {
    if (body.length < 10) throw new Error("Cannot read SPDY: a SYN_STREAM is cut off");
    const stream = body.readUInt32BE(0) & 0x7fffffff;
    const headers = parseHeaders(await this.#expand(body.subarray(10)));
    this.#reply(stream);
    this.#sink.opened(stream, headers);
    if (flags & FIN) this.#sink.finished(stream);
  }

  #expand(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#inflate.once("error", reject);
      this.#inflate.write(block, () => {
        this.#inflate.off("error", reject);
        resolve((this.#inflate.read() as Buffer | null) ?? Buffer.alloc(0));
      });
    });
  }

  /** SYN_REPLY without headers. Stored blocks need no compressor; Go's reader wants the empty one as a flush. */
  #reply(stream: number): void {
    const none = Buffer.from([0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0]); // stored block of 4 bytes: zero headers
    const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);
    const first = Buffer.from([0x78, 0xbb, 0, 0, 0, 0]);
    first.writeUInt32BE(DICTIONARY_ID, 2);
    const block = Buffer.concat(this.#hasReplied ? [none, flush] : [first, none, flush]);
    this.#hasReplied = true;
    const id = Buffer.alloc(4);
    id.writeUInt32BE(stream);
    this.#write(Buffer.concat([head((0x80030000 | SYN_REPLY) >>> 0, 0, 4 + block.length), id, block]));
  }
}

function head(word: number, flags: number, length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(word >>> 0, 0);
  bytes[4] = flags;
  bytes.writeUIntBE(length, 5, 3);
  return bytes;
}

function parseHeaders(block: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  const text = (): string => {
    const length = block.readUInt32BE(at);
    const value = block.toString("latin1", at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  const count = block.readUInt32BE(0);
  at = 4;
  for (let i = 0; i < count; i++) headers.set(text().toLowerCase(), text());
  return headers;
}
