import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { StatusError } from "../../store/status.ts";

/** What a peer of one websocket hears. Chunks are the receiver's to keep. */
export interface WebSocketSink {
  message(bytes: Uint8Array): void;
  /** Room again after `send` said false. */
  drained(): void;
  /** The last call. */
  closed(): void;
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 §1.3
/** Messages of clients are at most some 100 KB; beyond this the connection ends with 1009. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** As much as may wait for a slow client before `send` asks to stop. */
const HIGH_WATER_BYTES = 1024 * 1024;
/** A sender that does not stop is cut off here. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** The first of `supported` that the client offers; BadRequest when it is no websocket request or offers none. */
export function chooseProtocol(request: IncomingMessage, supported: readonly string[]): string {
  const isWebSocket =
    (request.headers.upgrade ?? "").toLowerCase() === "websocket" && request.headers["sec-websocket-key"];
  if (!isWebSocket)
    throw StatusError.badRequest(
      "Upgrade request required: wanted a websocket (kubectl 1.31 or newer speaks it), not SPDY over HTTP",
    );
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((text) => text.trim());
  const chosen = supported.find((protocol) => offered.includes(protocol));
  if (chosen) return chosen;
  throw StatusError.badRequest(
    `Cannot agree on a websocket protocol: the client offers ${JSON.stringify(offered)}, wanted one of ${JSON.stringify(supported)}`,
  );
}

/** The server's end of one websocket (RFC 6455) on a raw socket. Binary messages only go out. */
export class WebSocketPeer {
  readonly #socket: Duplex;
  #sink: WebSocketSink | undefined;
  #input: Buffer;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #isClosing = false;

  /** Answers the upgrade. `head` is what the client sent with its request. */
  constructor(request: IncomingMessage, socket: Duplex, head: Buffer, protocol: string) {
    this.#socket = socket;
    this.#input = head;
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
    );
  }

  /** Begins to read. */
  start(sink: WebSocketSink): void {
    this.#sink = sink;
    this.#socket.on("data", (chunk: Buffer) => this.#guard(() => this.#read(chunk)));
    this.#socket.on("drain", () => this.#guard(() => sink.drained()));
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("end", () => this.#socket.destroy());
    this.#socket.on("close", () => this.#guard(() => this.#sink?.closed()));
    this.#guard(() => this.#read(Buffer.alloc(0)));
  }

  /** One binary message from pieces. False: the client is slow, wait for `drained`. */
  send(...pieces: Uint8Array[]): boolean {
    if (this.#isClosing || this.#socket.destroyed) return true;
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    this.#socket.write(Buffer.concat([frameHead(BINARY, length), ...pieces]));
    if (this.#socket.writableLength > MAX_WAITING_BYTES) this.#socket.destroy();
    return this.#socket.writableLength < HIGH_WATER_BYTES;
  }

  /** Stops and resumes reading from the client. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  /** Sends a close frame; what was sent before goes out first. */
  close(code = 1000): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#socket.end(Buffer.concat([frameHead(CLOSE, 2), Buffer.from([code >> 8, code & 0xff])]));
  }

  /** An exception in a handler ends this connection only. */
  #guard(run: () => void): void {
    try {
      run();
    } catch {
      this.#socket.destroy(); // the peer sees the break; the handler's own clean-up follows from `closed`
    }
  }

  #read(chunk: Buffer) {
    this.#input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    for (;;) {
      const frame = parseFrame(this.#input);
      if (frame === undefined) return;
      if (frame === "bad") return this.close(1002);
      if (frame === "large") return this.close(1009);
      this.#input = this.#input.subarray(frame.end);
      this.#take(frame);
      if (this.#isClosing) return;
    }
  }

  #take(frame: Frame) {
    switch (frame.opcode) {
      case CLOSE:
        this.close();
        return;
      case PING:
        this.#socket.write(Buffer.concat([frameHead(PONG, frame.payload.length), frame.payload]));
        return;
      case PONG:
        return;
    }
    this.#parts.push(frame.payload);
    this.#partBytes += frame.payload.length;
    if (this.#partBytes > MAX_MESSAGE_BYTES) return this.close(1009);
    if (!frame.isLast) return;
    const message = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#partBytes = 0;
    this.#sink?.message(message);
  }
}

const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

interface Frame {
  readonly opcode: number;
  readonly isLast: boolean;
  readonly payload: Buffer;
  readonly end: number;
}

/** RFC 6455 §5.2; clients must mask (§5.1). Undefined: not all there yet. */
function parseFrame(input: Buffer): Frame | "bad" | "large" | undefined {
  if (input.length < 2) return undefined;
  const [first, second] = [input[0]!, input[1]!];
  if ((first & 0x70) !== 0 || (second & 0x80) === 0) return "bad";
  let length = second & 0x7f;
  let at = 2;
  if (length === 126) {
    if (input.length < 4) return undefined;
    length = input.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (input.length < 10) return undefined;
    length = Number(input.readBigUInt64BE(2));
    at = 10;
  }
  if (length > MAX_MESSAGE_BYTES) return "large";
  const end = at + 4 + length;
  if (input.length < end) return undefined;
  const mask = input.subarray(at, at + 4);
  const payload = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) payload[i] = input[at + 4 + i]! ^ mask[i & 3]!;
  return { opcode: first & 0x0f, isLast: (first & 0x80) !== 0, payload, end };
}

function frameHead(opcode: number, length: number): Buffer {
  const first = 0x80 | opcode;
  if (length < 126) return Buffer.from([first, length]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}
