import { type Fields, HeaderLine } from "#fields";
import {
  decodeStatusMessage,
  formatTimeout,
  frameMessage,
  GRPC_STATUS,
  MESSAGE_TOO_LARGE,
  MESSAGES_OK,
  MessageReader,
  type MessageTaker,
  parseStatus,
  statusOfHttp,
  statusOfReset,
} from "#grpc";
import type { Clock, Timer } from "#lib/clock";
import { HTTP_2, LENGTH_UNKNOWN, RequestHead, type ResponseHead } from "#message";
import type { Transport } from "#net/transport";
import { RelayError } from "../errors.ts";
import type { ClientConnectionOwner, ClientStream, ResponseSink } from "../relay/exchange.ts";
import { Http2ClientConnection } from "../relay/http2-client.ts";
import type { KeepAlive } from "../relay/http2-link.ts";
import type { TurnQueue } from "../relay/turn.ts";
import type { GrpcChannel, GrpcSink, GrpcStatus } from "./channel.ts";

/** How a dial ended: one of the two, later than the dialer returns; none after `cancel`. */
export interface TransportOutcome {
  connected(transport: Transport): void;
  failed(failure: Error): void;
}

/** Makes one connection to the control-plane program, TLS and all. */
export type TransportDialer = (outcome: TransportOutcome) => { cancel(): void };

export interface GrpcClientOptions {
  readonly dial: TransportDialer;
  /** What `:authority` says. */
  readonly authority: string;
  readonly scheme: "http" | "https";
  readonly clock: Clock;
  readonly keepAlive?: KeepAlive;
  readonly turn?: TurnQueue;
  readonly userAgent?: string;
  readonly maxMessageBytes?: number;
  /** Calls that may wait for the connection; more are refused. */
  readonly maxWaiting?: number;
}

export interface GrpcCallOptions {
  readonly metadata?: readonly HeaderLine[];
  /** After this the call ends with DEADLINE_EXCEEDED; the server is told too. */
  readonly timeoutMs?: number;
}

/**
 * gRPC calls to one control-plane program over one HTTP/2 connection of our own, made when a call needs it and again
 * after it was lost. Never retries: who watches decides when to call again.
 */
export class GrpcClient implements GrpcChannel, ClientConnectionOwner {
  readonly #options: GrpcClientOptions;
  #connection: Http2ClientConnection | null = null;
  #dial: { cancel(): void } | null = null;
  #ticker: Timer | null = null;
  readonly #waiting = new Set<Call>();
  #isClosed = false;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
  }

  call(path: string, request: Uint8Array, sink: GrpcSink, options: GrpcCallOptions = {}): { cancel(): void } {
    const call = new Call(this.#options, path, request, sink, options, this.#waiting);
    const maxWaiting = this.#options.maxWaiting ?? DEFAULT_MAX_WAITING;
    if (this.#isClosed) call.finish(unavailable(`Cannot call ${path}: the channel is closed`));
    else if ((this.#connection?.capacity() ?? 0) > 0) call.start(this.#connection!);
    else if (this.#waiting.size >= maxWaiting)
      call.finish(unavailable(`Cannot call ${path}: ${maxWaiting} calls wait`));
    else {
      this.#waiting.add(call);
      this.#connect();
    }
    return call;
  }

  /** Ends all calls and the connection. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#dial?.cancel();
    this.#ticker?.cancel();
    this.#connection?.destroy();
    this.#failWaiting(unavailable("The channel was closed"));
  }

  available(connection: Http2ClientConnection): void {
    for (const call of this.#waiting) {
      if (connection.capacity() === 0) return;
      this.#waiting.delete(call);
      call.start(connection);
    }
  }

  gone(connection: Http2ClientConnection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#ticker?.cancel();
    if (this.#waiting.size > 0 && !this.#isClosed) this.#connect();
  }

  #connect(): void {
    if (this.#dial !== null || this.#connection !== null) return;
    this.#dial = this.#options.dial({
      connected: (transport) => this.#connected(transport),
      failed: (failure) => {
        this.#dial = null;
        this.#failWaiting(unavailable(`Cannot connect to ${this.#options.authority}: ${failure.message}`));
      },
    });
  }

  #connected(transport: Transport): void {
    const { clock, keepAlive, turn } = this.#options;
    this.#dial = null;
    this.#connection = new Http2ClientConnection({ transport, owner: this, clock, keepAlive, turn });
    this.#tick();
    this.available(this.#connection);
  }

  #tick(): void {
    this.#connection?.tick(this.#options.clock.monotonicMs());
    if (this.#connection !== null) this.#ticker = this.#options.clock.schedule(TICK_MS, () => this.#tick());
  }

  #failWaiting(status: GrpcStatus): void {
    const calls = [...this.#waiting];
    this.#waiting.clear();
    for (const call of calls) call.finish(status);
  }
}

/** One call: waits, runs, ends once. */
class Call implements ResponseSink, MessageTaker {
  readonly #options: GrpcClientOptions;
  readonly #path: string;
  readonly #request: Uint8Array;
  readonly #sink: GrpcSink;
  readonly #callOptions: GrpcCallOptions;
  readonly #waiting: Set<Call>; // it is in here before it starts
  readonly #reader: MessageReader;
  readonly #deadline: Timer | null;
  #stream: ClientStream | null = null;
  #isDone = false;
  /** From the head: it counts when no trailers come (trailers-only), or when the response is not gRPC at all. */
  #headStatus: GrpcStatus | null = null;

  constructor(
    options: GrpcClientOptions,
    path: string,
    request: Uint8Array,
    sink: GrpcSink,
    callOptions: GrpcCallOptions,
    waiting: Set<Call>,
  ) {
    this.#options = options;
    this.#path = path;
    this.#request = request;
    this.#sink = sink;
    this.#callOptions = callOptions;
    this.#waiting = waiting;
    this.#reader = new MessageReader(options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES, this);
    const { timeoutMs } = callOptions;
    this.#deadline = timeoutMs === undefined ? null : options.clock.schedule(timeoutMs, () => this.#expire());
  }

  start(connection: Http2ClientConnection): void {
    const head = new RequestHead();
    head.version = HTTP_2;
    head.method = "POST";
    head.path = this.#path;
    head.authority = this.#options.authority;
    head.scheme = this.#options.scheme;
    head.bodyLength = LENGTH_UNKNOWN;
    const framed = frameMessage(this.#request);
    this.#stream = connection.open(head, this.#lines(), this);
    this.#stream.body(framed, 0, framed.length);
    this.#stream.end(null);
  }

  cancel(): void {
    if (this.#isDone) return;
    this.#end();
    this.#abort("The caller cancelled");
  }

  /** Tells the end, once. */
  finish(status: GrpcStatus): void {
    if (this.#isDone) return;
    this.#end();
    this.#sink.closed(status);
  }

  // --- MessageTaker ---

  message(bytes: Uint8Array): void {
    if (!this.#isDone) this.#sink.message(bytes);
  }

  // --- ResponseSink ---

  response(head: ResponseHead): void {
    if (head.status < 200) return;
    const isGrpc = (head.fields.get("content-type") ?? "").startsWith("application/grpc");
    if (head.fields.get("grpc-status") !== undefined) this.#headStatus = statusFrom(head.fields);
    else if (head.status !== 200 || !isGrpc) {
      const message = `${this.#path} was answered with HTTP status ${head.status}, not with gRPC`;
      this.#headStatus = { code: statusOfHttp(head.status), message };
    }
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    if (this.#isDone || this.#headStatus !== null) return true;
    const fault = this.#reader.read(chunk, from, to);
    if (fault !== MESSAGES_OK) {
      const isLarge = fault === MESSAGE_TOO_LARGE;
      const code = isLarge ? GRPC_STATUS.RESOURCE_EXHAUSTED : GRPC_STATUS.INTERNAL;
      this.finish({
        code,
        message: isLarge ? "A message above our limit" : "A message in an encoding nobody agreed on",
      });
      this.#abort("The response cannot be read");
    }
    return true;
  }

  end(trailers: Fields | null): void {
    if (trailers?.get("grpc-status") !== undefined) this.finish(statusFrom(trailers));
    else
      this.finish(this.#headStatus ?? { code: GRPC_STATUS.UNKNOWN, message: "The response ended without grpc-status" });
  }

  abort(cause: RelayError): void {
    const isReset = cause.code === "stream-reset" || cause.code === "bad-response";
    const code = isReset ? statusOfReset(cause.h2Code) : GRPC_STATUS.UNAVAILABLE;
    this.finish({ code, message: cause.message });
  }

  resumeRequest(): void {} // one message, already given

  #lines(): HeaderLine[] {
    const { metadata = [], timeoutMs } = this.#callOptions;
    const lines = [...FIXED_LINES, new HeaderLine("user-agent", this.#options.userAgent ?? "linkerd-ts"), ...metadata];
    if (timeoutMs !== undefined) lines.push(new HeaderLine("grpc-timeout", formatTimeout(timeoutMs)));
    return lines;
  }

  #expire(): void {
    this.finish({ code: GRPC_STATUS.DEADLINE_EXCEEDED, message: `${this.#path} took too long` });
    this.#abort("The deadline passed");
  }

  #abort(why: string): void {
    this.#stream?.abort(new RelayError("client-gone", "client", "never", why));
  }

  #end(): void {
    this.#isDone = true;
    this.#deadline?.cancel();
    this.#waiting.delete(this);
  }
}

function statusFrom(fields: Fields): GrpcStatus {
  const code = parseStatus(fields.get("grpc-status") ?? "");
  return { code, message: decodeStatusMessage(fields.get("grpc-message") ?? "") };
}

function unavailable(message: string): GrpcStatus {
  return { code: GRPC_STATUS.UNAVAILABLE, message };
}

/** What every gRPC library has. */
const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const DEFAULT_MAX_WAITING = 1000;
const TICK_MS = 1000;
const FIXED_LINES = [new HeaderLine("te", "trailers"), new HeaderLine("content-type", "application/grpc")];
