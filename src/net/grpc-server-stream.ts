import type { ServerHttp2Stream } from "node:http2";
import { encodeStatusMessage, GRPC_STATUS } from "#grpc";
import { type Clock, systemClock, type Timer } from "#lib/clock";
import type { GrpcFrame } from "./grpc-codec.ts";
import { GrpcError } from "./grpc-error.ts";

export const GRPC_HEADERS = { ":status": 200, "content-type": "application/grpc" } as const;

const MAX_MESSAGE_CHARS = 1024; // trailers share the peer's header limit, often 8 KiB
const RESET_NO_ERROR = 0;
const RESET_SLOW_SUBSCRIBER = 0x0b; // RFC 9113 §7 ENHANCE_YOUR_CALM; gRPC clients report RESOURCE_EXHAUSTED

export interface StreamLimits {
  /** Messages that may wait for the subscriber to read; one more and it is dropped. */
  readonly maxQueuedMessages: number;
  /** Bytes that may wait; a single message may always wait. */
  readonly maxQueuedBytes: number;
}

/**
 * The answering half of one call.
 *
 *   open ──send──► open ──end──► ended ──(trailers written or peer gone)──► closed
 *     └── the peer cancels, the queue overflows, the connection breaks ──► closed
 *
 * Nothing is awaited: `send` queues, and a subscriber that does not read is cut rather than waited for.
 */
export class ServerStream {
  readonly #http2: ServerHttp2Stream;
  readonly #limits: StreamLimits;
  readonly #queue: GrpcFrame[] = [];
  #queuedBytes = 0;
  #isBlocked = false;
  #hasHeaders = false;
  #status: { code: number; message: string } | undefined;
  #isClosed = false;
  #closeHandlers: ((code: number) => void)[] = [];
  #deadline: Timer | undefined;

  constructor(http2: ServerHttp2Stream, limits: StreamLimits) {
    this.#http2 = http2;
    this.#limits = limits;
    http2.on("drain", () => this.#flush());
    http2.on("error", () => {}); // `close` follows and says the same
    http2.on("close", () => this.#close(GRPC_STATUS.CANCELLED));
    http2.on("aborted", () => this.#close(GRPC_STATUS.CANCELLED));
  }

  /** True once nothing can be sent any more. */
  get isClosed(): boolean {
    return this.#isClosed || this.#status !== undefined;
  }

  get queuedMessageCount(): number {
    return this.#queue.length;
  }

  /** Ends the call with DEADLINE_EXCEEDED after `timeoutMs`. */
  setDeadline(timeoutMs: number, clock: Clock = systemClock): void {
    this.#deadline = clock.schedule(timeoutMs, () => this.end(GRPC_STATUS.DEADLINE_EXCEEDED, "Deadline exceeded"));
  }

  /** Queues a framed message. False when the call is over, also when this very message was one too many. */
  send(frame: GrpcFrame): boolean {
    if (this.isClosed) return false;
    this.#sendHeaders();
    if (!this.#isBlocked) {
      this.#isBlocked = !this.#http2.write(frame);
      return true;
    }
    if (this.#queue.length > 0 && this.#isOver(frame)) {
      this.#drop();
      return false;
    }
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    return true;
  }

  /** Ends the call. What is queued still goes out before the status; without any message only the status is sent. */
  end(code: number = GRPC_STATUS.OK, message = ""): void {
    if (this.isClosed) return;
    this.#status = { code, message };
    this.#deadline?.cancel();
    this.#tellClosed(code);
    if (!this.#hasHeaders) {
      this.#http2.respond({ ...GRPC_HEADERS, ...trailers(code, message) }, { endStream: true });
    } else if (this.#queue.length === 0) {
      this.#http2.end();
    }
  }

  /** Ends the call with what was thrown; anything but a `GrpcError` becomes INTERNAL without its text. */
  fail(error: unknown): void {
    if (error instanceof GrpcError) this.end(error.code, error.message);
    else this.end(GRPC_STATUS.INTERNAL, "Internal error; the server's log says more");
  }

  /** Runs when the call is over, with its status; at once when it is over already. */
  onClose(handler: (code: number) => void): void {
    if (this.isClosed) handler(this.#status?.code ?? GRPC_STATUS.CANCELLED);
    else this.#closeHandlers.push(handler);
  }

  #sendHeaders(): void {
    if (this.#hasHeaders) return;
    this.#hasHeaders = true;
    this.#http2.on("wantTrailers", () => {
      const { code, message } = this.#status ?? { code: GRPC_STATUS.UNKNOWN, message: "" };
      this.#http2.sendTrailers(trailers(code, message));
    });
    this.#http2.respond(GRPC_HEADERS, { waitForTrailers: true });
  }

  #isOver(frame: GrpcFrame): boolean {
    const { maxQueuedMessages, maxQueuedBytes } = this.#limits;
    return this.#queue.length >= maxQueuedMessages || this.#queuedBytes + frame.length > maxQueuedBytes;
  }

  #flush(): void {
    this.#isBlocked = false;
    while (!this.#isBlocked && this.#queue.length > 0 && !this.#isClosed) {
      const frame = this.#queue.shift()!;
      this.#queuedBytes -= frame.length;
      this.#isBlocked = !this.#http2.write(frame);
    }
    if (this.#status && this.#queue.length === 0 && !this.#isClosed) this.#http2.end();
  }

  #drop(): void {
    this.#tellClosed(GRPC_STATUS.RESOURCE_EXHAUSTED);
    this.#close(GRPC_STATUS.RESOURCE_EXHAUSTED);
    this.#http2.close(RESET_SLOW_SUBSCRIBER);
  }

  #close(code: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#deadline?.cancel();
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    this.#tellClosed(this.#status?.code ?? code);
    if (!this.#http2.closed && this.#status) this.#http2.close(RESET_NO_ERROR);
  }

  #tellClosed(code: number): void {
    const handlers = this.#closeHandlers;
    this.#closeHandlers = [];
    for (const handler of handlers) handler(code);
  }
}

function trailers(code: number, message: string): Record<string, string> {
  const status = { "grpc-status": String(code) };
  return message === ""
    ? status
    : { ...status, "grpc-message": encodeStatusMessage(message.slice(0, MAX_MESSAGE_CHARS)) };
}
