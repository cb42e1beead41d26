import { type Fields, HeaderLine, knownId } from "#fields";
import type { Clock } from "#lib/clock";
import type { RequestHead, ResponseHead } from "#message";
import type { RelayError } from "../errors.ts";
import { editResponse, type FieldEdits } from "../route/filters.ts";
import { removeClientIds } from "./client-id.ts";
import type { ClientConnection, ClientStream, RequestSink, ResponseSink, ServerStream } from "./exchange.ts";
import { KeptRequest } from "./kept-request.ts";
import { errorResponse, isGrpcRequest } from "./respond.ts";

/** Who hears of a request sent to one peer: its counters and its place in the balancer. Shared by many calls. */
export interface CallTarget {
  /** `isAgain`: it came back from a peer, and was counted as a request there. */
  sent(isAgain: boolean): void;
  /** The final head. May take fields away and append to `added`. */
  responded(head: ResponseHead, added: HeaderLine[], call: HttpCall): void;
  /** The first body data, or the end when there is none. */
  firstData(status: number, latencyMs: number): void;
  ended(status: number, grpcStatus: number): void;
  /** No complete response came; `hasData` when `firstData` was told. */
  failed(cause: RelayError, hasData: boolean): void;
  /** The peer did not process the request, and it goes elsewhere: neither a response nor a failure of it. */
  returned(cause: RelayError): void;
}

/** Who sent a request, and sends it again when it comes back. */
export interface CallOrigin {
  /**
   * The target's peer provably did not process the request. True: it goes, or waits to go, elsewhere (and the target was
   * told); false: it has been sent often enough.
   */
  returned(call: HttpCall, target: CallTarget, cause: RelayError): boolean;
}

/** Who counts the requests of a route. */
export interface CallObserver {
  sent(): void;
  /** `grpcStatus` is -1 when the call is not gRPC's; `error` is empty when a complete response came. */
  ended(status: number, grpcStatus: number, error: string, durationMs: number): void;
}

/**
 * One request on its way: joins the client's stream with a stream to a peer, tells the target what happens, and answers
 * by itself when there is nothing to join with.
 *
 *   held --open--> sent --response--> responded --end--> done
 *    |^--returned---'|                     '--abort: breaks the client's stream off
 *    '--fail: answers the client
 */
export class HttpCall implements ResponseSink {
  readonly stream: ServerStream;
  readonly isGrpc: boolean;
  /** HTTP version of the request as the client sent it. */
  readonly requestVersion: number;
  /** Whether clients may read why the proxy refused. */
  readonly emitsDetail: boolean;
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #target: CallTarget | null = null;
  #client: ClientStream | null = null;
  #half: RequestHalf | null = null;
  /** The request, as long as it may be sent again. */
  #kept: KeptRequest | null = null;
  #origin: CallOrigin | null = null;
  #status = 0;
  #grpcStatus = -1;
  #hasData = false;
  #isSent = false;
  #isDone = false;
  #onDone: (() => void) | null = null;
  #held: (() => void)[] | null = null;
  #edits: readonly FieldEdits[] = NO_EDITS;
  #observer: CallObserver | null = null;
  /** Hears of requests that this proxy answers with an error of its own. */
  onError: ((cause: RelayError) => void) | null = null;

  constructor(head: RequestHead, stream: ServerStream, clock: Clock, emitsDetail: boolean) {
    this.stream = stream;
    this.isGrpc = isGrpcRequest(head);
    this.requestVersion = head.version;
    this.emitsDetail = emitsDetail;
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
  }

  get startedAtMs(): number {
    return this.#startedAtMs;
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  get hasResponded(): boolean {
    return this.#status !== 0;
  }

  /** Runs once when the exchange is over, however it ended. */
  set onDone(done: () => void) {
    this.#onDone = done;
  }

  /** Runs `release` when the exchange is over, besides `onDone`. */
  holdUntilDone(release: () => void): void {
    this.#held ??= [];
    this.#held.push(release);
  }

  /** What the route does to the response, and who counts it. */
  observe(edits: readonly FieldEdits[], more: readonly FieldEdits[], observer: CallObserver): void {
    this.#edits = more.length === 0 ? edits : [...edits, ...more];
    this.#observer = observer;
  }

  /** Keeps the request until a peer answers, for `origin` to send it again when a peer did not process it. */
  keep(head: RequestHead, added: readonly HeaderLine[], origin: CallOrigin): void {
    this.#origin = origin;
    if (this.#kept === null) this.#kept = KeptRequest.of(head, added);
  }

  get kept(): KeptRequest | null {
    return this.#kept;
  }

  /** It waits to be sent: a client that leaves ends it at once. */
  watch(): void {
    if (this.#half !== null) return;
    this.#half = new RequestHalf(this, null);
    this.stream.watch(this.#half);
  }

  /** Sends the request on a connection that has capacity. The head need only live until this returns. */
  open(connection: ClientConnection, head: RequestHead, added: readonly HeaderLine[], target: CallTarget): void {
    const isAgain = this.#isSent;
    this.#isSent = true;
    this.#target = target;
    target.sent(isAgain);
    if (!isAgain) this.#observer?.sent();
    const client = connection.open(head, added, this);
    this.#client = client;
    if (this.#isDone) return;
    if (this.#half === null) this.#half = new RequestHalf(this, client);
    else this.#half.client = client;
    if (isAgain) this.#replay(client);
    else this.stream.receive(this.#half);
  }

  #replay(client: ClientStream): void {
    const kept = this.#kept!;
    const hasRoom = kept.replay(client);
    if (this.#isDone) return;
    if (!kept.mayAdd(0)) this.#forget();
    if (hasRoom) this.stream.resume();
  }

  /** The exchange is over, and others have answered the client (its attempts, when it is sent several times). */
  standDown(): void {
    if (!this.#isDone) this.#finish();
  }

  /** Answers the client in the peer's place; after a response has begun, breaks it off. */
  fail(cause: RelayError, status?: number): void {
    if (this.#isDone) return;
    this.#target?.failed(cause, this.#hasData);
    this.#observer?.ended(0, -1, errorLabel(cause), this.#ageMs());
    this.onError?.(cause);
    const isOpen = this.#status === 0;
    this.#finish();
    this.#client?.abort(cause);
    if (isOpen) this.#answer(cause, status);
    else this.stream.abort(cause);
  }

  /** Answers with a status of its own (an injected failure): `grpcStatus` for gRPC clients. */
  reject(cause: RelayError, status: number, grpcStatus: number): void {
    const { head, added } = errorResponse(cause, { isGrpc: this.isGrpc, emitsDetail: this.emitsDetail, status });
    const lines = added
      .filter(({ name }) => name !== "l5d-proxy-connection")
      .map((line) => (line.name === "grpc-status" ? new HeaderLine("grpc-status", String(grpcStatus)) : line));
    this.answer(head, lines);
  }

  /** Answers without having asked a peer (redirects, injected failures). */
  answer(head: ResponseHead, added: readonly HeaderLine[]): void {
    if (this.#isDone) return;
    this.#finish();
    this.stream.receive(DISCARD);
    this.stream.respond(head, added);
    this.stream.end(null);
  }

  response(head: ResponseHead): void {
    if (this.#isDone) return;
    this.#forget();
    if (head.status < 200 && head.status !== 101) {
      this.stream.respond(head, NONE);
      return;
    }
    this.#status = head.status;
    if (this.isGrpc) this.#grpcStatus = readGrpcStatus(head.fields);
    const added = ADDED;
    added.length = 0;
    this.#target!.responded(head, added, this);
    if (this.#edits.length > 0) editResponse(this.#edits, head, added);
    this.stream.respond(head, added);
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    if (this.#isDone) return true;
    if (!this.#hasData) this.#firstData();
    return this.stream.body(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    if (this.#isDone) return;
    if (!this.#hasData) this.#firstData();
    if (this.isGrpc && trailers) this.#grpcStatus = readGrpcStatus(trailers);
    // A gRPC response without a status is UNKNOWN.
    const grpcStatus = this.isGrpc && this.#grpcStatus < 0 ? 2 : this.#grpcStatus;
    this.#target!.ended(this.#status, grpcStatus);
    this.#observer?.ended(this.#status, grpcStatus, "", this.#ageMs());
    this.#finish();
    this.stream.end(trailers);
  }

  abort(cause: RelayError): void {
    if (this.#isDone || cause.retry !== "safe" || this.#kept === null || !this.#return(cause)) this.fail(cause);
  }

  resumeRequest(): void {
    this.stream.resume();
  }

  /** @internal What of the body goes to the peer is kept, unless it is too much. */
  keepBody(chunk: Uint8Array, from: number, to: number): void {
    if (this.#kept === null) return;
    if (this.#client !== null && !this.#kept.mayAdd(to - from)) this.#forget();
    else this.#kept.add(chunk, from, to);
  }

  /** @internal The client's side broke off. */
  clientGone(cause: RelayError): void {
    if (this.#isDone) return;
    this.#target?.failed(cause, this.#hasData);
    this.#observer?.ended(0, -1, "CANCEL", this.#ageMs());
    this.#finish();
    this.#client?.abort(cause);
  }

  /** Back to its origin; false when that is done with it. The target hears of one end only. */
  #return(cause: RelayError): boolean {
    const target = this.#target;
    if (target === null || this.#half === null) return false;
    this.#target = null;
    this.#client = null;
    this.#half.client = null;
    if (this.#origin!.returned(this, target, cause)) return true;
    this.#target = target;
    return false;
  }

  #forget(): void {
    const kept = this.#kept;
    this.#kept = null;
    kept?.release();
  }

  #ageMs(): number {
    return this.#clock.monotonicMs() - this.#startedAtMs;
  }

  #firstData(): void {
    this.#hasData = true;
    this.#target!.firstData(this.#status, this.#clock.monotonicMs() - this.#startedAtMs);
  }

  #answer(cause: RelayError, status: number | undefined): void {
    const { head, added, closes } = errorResponse(cause, {
      isGrpc: this.isGrpc,
      emitsDetail: this.emitsDetail,
      status,
    });
    this.stream.receive(DISCARD);
    if (closes) this.stream.closeAfter();
    this.stream.respond(head, added);
    this.stream.end(null);
  }

  #finish(): void {
    this.#isDone = true;
    this.#forget();
    const done = this.#onDone;
    this.#onDone = null;
    done?.();
    const held = this.#held;
    this.#held = null;
    if (held) for (const release of held) release();
  }
}

/** The request's body on its way to the peer. Before the first peer, and between two, it stands still. */
class RequestHalf implements RequestSink {
  client: ClientStream | null;
  readonly #call: HttpCall;
  #hasEnded = false;

  constructor(call: HttpCall, client: ClientStream | null) {
    this.#call = call;
    this.client = client;
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    const { client } = this;
    this.#call.keepBody(chunk, from, to);
    return client === null ? false : client.body(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    this.#hasEnded = true;
    if (trailers) removeClientIds(trailers);
    this.#call.kept?.end(trailers);
    this.client?.end(trailers);
  }

  /** A response may be complete before its request: the peer is then still to hear that no more of it comes. */
  abort(cause: RelayError): void {
    if (!this.#call.isDone) this.#call.clientGone(cause);
    else if (!this.#hasEnded) this.client?.abort(cause);
  }

  resumeResponse(): void {
    this.client?.resume();
  }
}

/** Takes a request's body when nobody wants it. */
const DISCARD: RequestSink = {
  body: () => true,
  end() {},
  abort() {},
  resumeResponse() {},
};

/** `error` labels of the route families. */
function errorLabel(cause: RelayError): string {
  return ERROR_LABELS[cause.code] ?? "UNKNOWN";
}

const ERROR_LABELS: Partial<Record<RelayError["code"], string>> = {
  "fail-fast": "FAIL_FAST",
  "no-endpoints": "FAIL_FAST",
  "load-shed": "LOAD_SHED",
  "request-timeout": "REQUEST_TIMEOUT",
  "response-timeout": "RESPONSE_STREAM_TIMEOUT",
  "idle-timeout": "IDLE_TIMEOUT",
  "stream-reset": "RESET",
  goaway: "GO_AWAY",
  "connect-refused": "IO",
  "connect-timeout": "IO",
  "connect-failed": "IO",
  "server-gone": "IO",
};

const NO_EDITS: readonly FieldEdits[] = [];
/** Filled and lent within one call, again and again. */
const ADDED: HeaderLine[] = [];
const NONE: readonly HeaderLine[] = [];
const GRPC_STATUS = knownId("grpc-status");

/** The number in `grpc-status`, or -1. */
function readGrpcStatus(fields: Fields): number {
  const index = fields.find(GRPC_STATUS);
  if (index < 0) return -1;
  const text = fields.value(index);
  return /^\d{1,2}$/.test(text) ? Number(text) : 2;
}
