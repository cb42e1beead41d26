import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import {
  frameMessage,
  GRPC_STATUS,
  grpcCodeName,
  MESSAGE_TOO_LARGE,
  MESSAGES_OK,
  MessageReader,
  parseTimeout,
} from "#grpc";
import { type Clock, systemClock } from "#lib/clock";
import { type Log, silentLog } from "#lib/log";
import type { MetricsRegistry } from "#lib/metrics";
import type { GrpcCodec } from "./grpc-codec.ts";
import { GrpcError } from "./grpc-error.ts";
import { ServerStream } from "./grpc-server-stream.ts";
import { listenError } from "./listen-error.ts";

export { frameMessage, GRPC_STATUS, type GrpcCode, grpcCodeName } from "#grpc";
export type { GrpcCodec, GrpcFrame } from "./grpc-codec.ts";
export { GrpcError } from "./grpc-error.ts";
export { ServerStream } from "./grpc-server-stream.ts";

/** What a handler may know of a call beside its request. */
export interface CallContext {
  /** `ip:port` of the peer; with a proxy in front, the proxy's. */
  readonly peer: string;
  /** A request header, in lower case. */
  metadata(name: string): string | undefined;
  /** Runs when the call is over, however it ends. */
  onClose(handler: (code: number) => void): void;
}

/** One method of a service, ready to be served. Made by `unary` and `serverStream`. */
export interface GrpcMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly run: (request: Uint8Array, stream: ServerStream, context: CallContext) => void;
}

/** A method with one answer. The handler throws `GrpcError` to refuse. */
export function unary<Req, Res>(
  path: string,
  request: GrpcCodec<Req>,
  response: GrpcCodec<Res>,
  handle: (request: Req, context: CallContext) => Res | Promise<Res>,
): GrpcMethod {
  const answer = async (bytes: Uint8Array, stream: ServerStream, context: CallContext) => {
    const result = await handle(decode(request, bytes), context);
    stream.send(frameMessage(response.encode(result).finish()));
    stream.end();
  };
  return { path, run: (bytes, stream, context) => void answer(bytes, stream, context).catch((e) => stream.fail(e)) };
}

/** A method that answers with a stream: the handler keeps `stream` and sends frames until it or the peer ends it. */
export function serverStream<Req>(
  path: string,
  request: GrpcCodec<Req>,
  handle: (request: Req, stream: ServerStream, context: CallContext) => void | Promise<void>,
): GrpcMethod {
  const begin = async (bytes: Uint8Array, stream: ServerStream, context: CallContext) =>
    handle(decode(request, bytes), stream, context);
  return { path, run: (bytes, stream, context) => void begin(bytes, stream, context).catch((e) => stream.fail(e)) };
}

export interface GrpcServerOptions {
  readonly methods: readonly GrpcMethod[];
  /** Serves TLS instead of plain HTTP/2. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string; readonly requestCert?: boolean };
  /** Largest request; gRPC's usual 4 MiB. */
  readonly maxRequestBytes?: number;
  /** Messages that may wait for one slow subscriber. */
  readonly maxQueuedMessages?: number;
  readonly maxQueuedBytes?: number;
  readonly log?: Log;
  readonly metrics?: MetricsRegistry;
  readonly clock?: Clock;
}

const DEFAULT_MAX_REQUEST_BYTES = 4 * 1024 * 1024;
const DEFAULT_QUEUED_MESSAGES = 100; // Linkerd's stream queue
const DEFAULT_QUEUED_BYTES = 16 * 1024 * 1024;
const MAX_STREAMS_PER_CONNECTION = 100_000; // one proxy needs a few dozen; a router of many may share a connection
const REQUEST_TIMEOUT_MS = 30_000; // to send the one request message
const TCP_KEEP_ALIVE_MS = 30_000; // finds subscribers whose node vanished without a FIN

/** A gRPC server over HTTP/2, plain by default: in the mesh the pod's proxy speaks TLS for it. Unary and server streams. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #server: Http2Server | Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #streams = new Set<ServerStream>();
  readonly #log: Log;
  readonly #clock: Clock;
  #isDraining = false;

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    this.#methods = new Map(options.methods.map((method) => [method.path, method]));
    this.#log = options.log ?? silentLog;
    this.#clock = options.clock ?? systemClock;
    const settings = { maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION, enablePush: false };
    this.#server = options.tls ? createSecureServer({ settings, ...options.tls }) : createServer({ settings });
    this.#server.on("connection", (socket: Socket) => socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS));
    this.#server.on("session", (session: ServerHttp2Session) => this.#addSession(session));
    this.#server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#accept(stream, headers),
    );
  }

  /** How many calls are open. */
  get openCallCount(): number {
    return this.#streams.size;
  }

  /** Listens; port 0 picks a free one. Returns the port. */
  listen({ host, port }: { host: string; port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      const failed = (cause: Error): void => reject(listenError({ host, port, purpose: "gRPC" }, cause));
      this.#server.once("error", failed);
      this.#server.listen(port, host, () => {
        this.#server.off("error", failed);
        this.#server.on("error", (error: Error) => this.#log.warn("gRPC server error", { error: error.message }));
        const address = this.#server.address();
        resolve(typeof address === "object" && address ? address.port : port);
      });
    });
  }

  /** Stops accepting, ends streams with OK, sends GOAWAY, waits `graceMs` for unary calls, then cuts. */
  async drain(graceMs: number): Promise<void> {
    this.#isDraining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const stream of [...this.#streams]) stream.end();
    for (const session of this.#sessions) session.close();
    const timer = this.#clock.schedule(graceMs, () => {
      for (const session of this.#sessions) session.destroy();
    });
    if (this.#sessions.size > 0) await closed;
    timer.cancel();
  }

  #addSession(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.on("error", (error: Error) => this.#log.debug("Connection failed", { error: error.message }));
    session.once("close", () => this.#sessions.delete(session));
  }

  #accept(http2: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (!isGrpc(headers)) {
      refuse(http2, headers);
      return;
    }
    const path = String(headers[":path"] ?? "");
    const stream = new ServerStream(http2, {
      maxQueuedMessages: this.#options.maxQueuedMessages ?? DEFAULT_QUEUED_MESSAGES,
      maxQueuedBytes: this.#options.maxQueuedBytes ?? DEFAULT_QUEUED_BYTES,
    });
    const method = this.#methods.get(path);
    this.#track(stream, method ? path : "unknown");
    if (this.#isDraining) stream.end(GRPC_STATUS.UNAVAILABLE, "The server is shutting down");
    else if (!method) stream.end(GRPC_STATUS.UNIMPLEMENTED, `Unknown method "${path.slice(0, 200)}"`);
    else this.#begin(method, http2, headers, stream);
  }

  #begin(method: GrpcMethod, http2: ServerHttp2Stream, headers: IncomingHttpHeaders, stream: ServerStream): void {
    const timeoutMs = parseTimeout(header(headers, "grpc-timeout") ?? "");
    if (timeoutMs !== undefined) stream.setDeadline(timeoutMs, this.#clock);
    this.#readRequest(http2, stream, (request) => method.run(request, stream, contextOf(http2, headers, stream)));
  }

  #track(stream: ServerStream, path: string): void {
    this.#streams.add(stream);
    const startedAtMs = this.#clock.monotonicMs();
    stream.onClose((code) => {
      this.#streams.delete(stream);
      this.#count(path, code, this.#clock.monotonicMs() - startedAtMs);
    });
  }

  #count(path: string, code: number, durationMs: number): void {
    const labels = { grpc_service: path.split("/")[1] ?? path, grpc_method: path.split("/")[2] ?? path };
    const { metrics } = this.#options;
    metrics
      ?.counter("grpc_server_handled_total", "RPCs completed on the server, regardless of success or failure.")
      .series({ ...labels, grpc_code: grpcCodeName(code) })
      .inc();
    metrics
      ?.histogram("grpc_server_handling_seconds", "How long RPCs were open on the server.", HANDLING_BOUNDS_SECONDS)
      .series(labels)
      .observe(durationMs / 1000);
  }

  /** Reads exactly one message, then runs the method. A request that does not arrive in time is cut. */
  #readRequest(http2: ServerHttp2Stream, stream: ServerStream, run: (request: Uint8Array) => void): void {
    let request: Uint8Array | undefined;
    let messageCount = 0;
    const reader = new MessageReader(this.#options.maxRequestBytes ?? DEFAULT_MAX_REQUEST_BYTES, {
      message(bytes) {
        messageCount++;
        request ??= bytes;
      },
    });
    const timer = this.#clock.schedule(REQUEST_TIMEOUT_MS, () =>
      stream.end(GRPC_STATUS.DEADLINE_EXCEEDED, `No complete request within ${REQUEST_TIMEOUT_MS} ms`),
    );
    stream.onClose(() => timer.cancel());
    http2.on("data", (chunk: Uint8Array) => {
      if (stream.isClosed) return; // refused: what still comes is not read
      const fault = reader.read(chunk, 0, chunk.length);
      if (fault === MESSAGE_TOO_LARGE) stream.end(GRPC_STATUS.RESOURCE_EXHAUSTED, "The request is too large");
      else if (fault !== MESSAGES_OK) stream.end(GRPC_STATUS.UNIMPLEMENTED, "Compressed requests are not accepted");
      if (messageCount > 1) stream.end(GRPC_STATUS.UNIMPLEMENTED, "Wanted one request message, got more");
    });
    http2.on("end", () => {
      timer.cancel();
      if (stream.isClosed) return;
      if (!request || !reader.isAtBoundary)
        return stream.end(GRPC_STATUS.INVALID_ARGUMENT, "The request is incomplete");
      run(request);
    });
  }
}

const HANDLING_BOUNDS_SECONDS = [0.005, 0.1, 1, 300, 3600]; // streams live for hours, unary calls for milliseconds

function decode<T>(codec: GrpcCodec<T>, bytes: Uint8Array): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new GrpcError(GRPC_STATUS.INVALID_ARGUMENT, "Cannot decode the request: wanted a valid protobuf message", {
      cause,
    });
  }
}

function header(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function isGrpc(headers: IncomingHttpHeaders): boolean {
  const contentType = header(headers, "content-type") ?? "";
  return headers[":method"] === "POST" && /^application\/grpc($|[+;])/.test(contentType);
}

/** Answers what is not gRPC as HTTP does, as the gRPC specification asks for. */
function refuse(http2: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  http2.on("error", () => {}); // the peer left before reading the refusal
  http2.respond({ ":status": headers[":method"] === "POST" ? 415 : 405 }, { endStream: true });
}

function contextOf(http2: ServerHttp2Stream, headers: IncomingHttpHeaders, stream: ServerStream): CallContext {
  const socket = http2.session?.socket;
  return {
    peer: socket ? `${socket.remoteAddress}:${socket.remotePort}` : "unknown",
    metadata: (name) => header(headers, name),
    onClose: (handler) => stream.onClose(handler),
  };
}
