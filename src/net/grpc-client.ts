import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import {
  decodeStatusMessage,
  formatTimeout,
  frameMessage,
  GRPC_STATUS,
  MESSAGE_TOO_LARGE,
  MESSAGES_OK,
  MessageReader,
  statusOfHttp,
} from "#grpc";
import { type Clock, systemClock } from "#lib/clock";
import type { GrpcCodec } from "./grpc-codec.ts";
import { GrpcError } from "./grpc-error.ts";

export { GRPC_STATUS, grpcCodeName } from "#grpc";
export type { GrpcCodec } from "./grpc-codec.ts";
export { GrpcError } from "./grpc-error.ts";

export interface GrpcClientOptions {
  readonly host: string;
  readonly port: number;
  /** Speaks TLS; `serverName` is what the server's certificate must be for. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly serverName?: string };
  /** The `:authority` of calls; `host:port` by default. */
  readonly authority?: string;
  readonly maxMessageBytes?: number;
  readonly clock?: Clock;
}

export interface GrpcCallOptions {
  /** The server is told, and the call ends with DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const DEFAULT_UNARY_TIMEOUT_MS = 30_000;
const MAX_WAITING_MESSAGES = 1_000; // a reader further behind than this pauses the stream
const RESET_CANCEL = 8; // RFC 9113 §7 CANCEL

/** One HTTP/2 connection to a gRPC server, made on first use and again after it broke. Calls end as `GrpcError`. */
export class GrpcClient {
  readonly #options: GrpcClientOptions;
  readonly #clock: Clock;
  #session: ClientHttp2Session | undefined;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** One request, one answer. */
  async unary<Req, Res>(
    path: string,
    request: GrpcCodec<Req>,
    response: GrpcCodec<Res>,
    message: Req,
    options: GrpcCallOptions = {},
  ): Promise<Res> {
    const withLimit = { timeoutMs: DEFAULT_UNARY_TIMEOUT_MS, ...options };
    let answer: Res | undefined;
    let count = 0;
    for await (const each of this.serverStream(path, request, response, message, withLimit)) {
      answer = each;
      count++;
    }
    if (count !== 1)
      throw new GrpcError(GRPC_STATUS.INTERNAL, `Cannot use the answer to ${path}: got ${count} messages, wanted 1`);
    return answer as Res;
  }

  /** One request, any number of answers. Leaving the loop early cancels the call. */
  async *serverStream<Req, Res>(
    path: string,
    request: GrpcCodec<Req>,
    response: GrpcCodec<Res>,
    message: Req,
    options: GrpcCallOptions = {},
  ): AsyncGenerator<Res> {
    options.signal?.throwIfAborted();
    const call = new ClientCall(
      this.#open(path, options),
      path,
      this.#options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    );
    const abort = () => call.cancel(GRPC_STATUS.CANCELLED, "The call was cancelled");
    options.signal?.addEventListener("abort", abort, { once: true });
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : this.#clock.schedule(options.timeoutMs, () =>
            call.cancel(GRPC_STATUS.DEADLINE_EXCEEDED, `No answer within ${options.timeoutMs} ms`),
          );
    try {
      call.send(frameMessage(request.encode(message).finish()));
      for (let bytes = await call.next(); bytes; bytes = await call.next()) yield response.decode(bytes);
    } finally {
      timer?.cancel();
      options.signal?.removeEventListener("abort", abort);
      call.cancel(GRPC_STATUS.CANCELLED, "The reader left");
    }
  }

  /** Cuts the connection and every call on it. */
  close(): void {
    this.#session?.destroy();
    this.#session = undefined;
  }

  #open(path: string, options: GrpcCallOptions): ClientHttp2Stream {
    const headers: Record<string, string> = {
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "linkerd-ts",
      ...options.metadata,
    };
    if (this.#options.authority) headers[":authority"] = this.#options.authority;
    if (options.timeoutMs !== undefined) headers["grpc-timeout"] = formatTimeout(options.timeoutMs);
    return this.#connection().request(headers);
  }

  #connection(): ClientHttp2Session {
    const current = this.#session;
    if (current && !current.closed && !current.destroyed) return current;
    const { host, port, tls } = this.#options;
    const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    const session = tls
      ? connect(`https://${authority}`, {
          ca: tls.ca,
          cert: tls.cert,
          key: tls.key,
          servername: tls.serverName ?? host,
        })
      : connect(`http://${authority}`);
    session.on("error", () => {}); // each call hears of it on its own stream
    session.on("goaway", () => {
      if (this.#session === session) this.#session = undefined; // open calls may finish; new ones get a new connection
    });
    this.#session = session;
    return session;
  }
}

/** The reading half of a call: messages wait here for the reader, and the peer waits when too many do. */
class ClientCall {
  readonly #http2: ClientHttp2Stream;
  readonly #path: string;
  readonly #messages: Uint8Array[] = [];
  readonly #reader: MessageReader;
  #outcome: { readonly error: GrpcError | undefined } | undefined;
  #headers: IncomingHttpHeaders = {};
  #wake: () => void = () => {};

  constructor(http2: ClientHttp2Stream, path: string, maxMessageBytes: number) {
    this.#http2 = http2;
    this.#path = path;
    this.#reader = new MessageReader(maxMessageBytes, { message: (bytes) => this.#messages.push(bytes) });
    http2.on("response", (headers) => this.#begin(headers));
    http2.on("trailers", (headers) => this.#finishWith(headers));
    http2.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    http2.on("error", (error: Error) =>
      this.#finish(GRPC_STATUS.UNAVAILABLE, `The connection failed: ${error.message}`),
    );
    http2.on("end", () => this.#headers["grpc-status"] !== undefined && this.#finishWith(this.#headers));
    http2.on("close", () => this.#finishWithoutStatus());
  }

  send(frame: Uint8Array): void {
    this.#http2.end(frame);
  }

  /** The next message; undefined at the good end. Throws the status otherwise, after the last message was read. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message) {
        if (this.#messages.length < MAX_WAITING_MESSAGES / 2 && this.#http2.isPaused()) this.#http2.resume();
        return message;
      }
      if (this.#outcome?.error) throw this.#outcome.error;
      if (this.#outcome) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  cancel(code: number, message: string): void {
    if (this.#outcome) return;
    this.#finish(code, message);
    this.#messages.length = 0;
    this.#http2.close(RESET_CANCEL);
  }

  #begin(headers: IncomingHttpHeaders): void {
    this.#headers = headers;
    const status = Number(headers[":status"]);
    if (headers["grpc-status"] !== undefined) this.#finishWith(headers);
    else if (status !== 200) this.cancel(statusOfHttp(status), `The server answered HTTP ${status}`);
  }

  #receive(chunk: Uint8Array): void {
    if (this.#outcome) return;
    const fault = this.#reader.read(chunk, 0, chunk.length);
    if (fault === MESSAGE_TOO_LARGE) this.cancel(GRPC_STATUS.RESOURCE_EXHAUSTED, "The answer is larger than accepted");
    else if (fault !== MESSAGES_OK) this.cancel(GRPC_STATUS.UNIMPLEMENTED, "The answer is compressed");
    if (this.#messages.length > MAX_WAITING_MESSAGES) this.#http2.pause();
    this.#wake();
  }

  #finishWith(headers: IncomingHttpHeaders): void {
    const code = Number(headers["grpc-status"] ?? GRPC_STATUS.UNKNOWN);
    this.#finish(code, decodeStatusMessage(String(headers["grpc-message"] ?? "")));
  }

  #finishWithoutStatus(): void {
    const reset = this.#http2.rstCode;
    const code =
      reset === 0x0b ? GRPC_STATUS.RESOURCE_EXHAUSTED : reset === 8 ? GRPC_STATUS.CANCELLED : GRPC_STATUS.UNAVAILABLE;
    this.#finish(code, `The call ended without a status (HTTP/2 code ${reset})`);
  }

  #finish(code: number, message: string): void {
    if (this.#outcome) return;
    const error = code === GRPC_STATUS.OK ? undefined : new GrpcError(code, message || `${this.#path} failed`);
    this.#outcome = { error };
    this.#wake();
  }
}
