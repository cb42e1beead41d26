import type { Fields, HeaderLine } from "#fields";
import type { RequestHead, ResponseHead } from "#message";
import type { RelayError } from "../errors.ts";

/**
 * The seam between what speaks a protocol and what decides where a request goes.
 *
 *   server connection --RequestHandler.request--> (inbound | outbound) --ClientConnection.open--> client connection
 *
 * An exchange is two halves, request and response; each half is a head, body chunks, an end with optional trailers.
 * Heads, fields, lists of added fields and chunks are lent until the call returns. Back-pressure is a return value: `body` answers false when
 * its side is full, the producer then stops and waits for `resume` on its own side.
 * Calls never throw on peer input; what goes wrong travels as `abort`.
 */

/**
 * Takes one message's body. After `abort` nothing more comes; after `end` only `abort` may, when the exchange is given up
 * while its other half runs (the client went away before its response was complete).
 */
export interface BodySink {
  /** Bytes [from, to). False: full, stop until resumed. */
  body(chunk: Uint8Array, from: number, to: number): boolean;
  end(trailers: Fields | null): void;
  /** The message will not be completed. */
  abort(cause: RelayError): void;
}

/** A request as the server connection offers it; also the sink for the response's body. */
export interface ServerStream extends BodySink {
  /**
   * Says who takes the request's body. Until then the connection holds it back (and nothing is lost).
   * May be called inside `request` or later.
   */
  receive(sink: RequestSink): void;
  /** Says who hears, by `abort`, that the client left, as long as nobody receives. */
  watch(sink: RequestSink): void;
  /** Sends the response head. `added` fields follow those of the head. 1xx heads may come before the final one. */
  respond(head: ResponseHead, added: readonly HeaderLine[]): void;
  /** Stops and restarts the flow of the request's body. */
  pause(): void;
  resume(): void;
  /** Asks that this connection end after this exchange (`connection: close`, GOAWAY). */
  closeAfter(): void;
}

/** Takes the request's body, and hears when the response's sink has room again. */
export interface RequestSink extends BodySink {
  /** The server stream takes response bytes again after `body` answered false. */
  resumeResponse(): void;
}

export interface RequestHandler {
  /** The head is complete. The handler answers through `stream`, now or later. */
  request(head: RequestHead, stream: ServerStream): void;
}

/** The client's half: the sink for the request's body. */
export interface ClientStream extends BodySink {
  pause(): void;
  resume(): void;
}

/** Takes the response, and hears when the request's sink has room again. */
export interface ResponseSink extends BodySink {
  /** Once for the final head, before that for each 1xx (100, 103). 101 is final: bytes then flow both ways as bodies. */
  response(head: ResponseHead): void;
  resumeRequest(): void;
}

/** A connection to one peer, plain or TLS, that carries requests. */
export interface ClientConnection {
  /** Streams that may be opened now: 0 or 1 for HTTP/1, the peer's limit for HTTP/2. */
  capacity(): number;
  /** Sends the head; `added` fields follow those of the head. The caller has checked `capacity()`. */
  open(head: RequestHead, added: readonly HeaderLine[], sink: ResponseSink): ClientStream;
  /** Refuses new streams, lets live ones finish, then closes. */
  drain(): void;
  /** Closes now; live streams are aborted. */
  destroy(): void;
}

/** What a client connection tells its pool. */
export interface ClientConnectionOwner {
  /** Capacity grew (a stream ended, SETTINGS came). */
  available(connection: ClientConnection): void;
  /** It takes no new streams (GOAWAY, close, error) and may already be closed. */
  gone(connection: ClientConnection): void;
}
