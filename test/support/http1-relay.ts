import type { Fields } from "#fields";
import type { RequestHead, ResponseHead } from "#message";
import type { RelayError } from "../../src/proxy/errors.ts";
import type {
  ClientConnection,
  ClientStream,
  RequestHandler,
  RequestSink,
  ResponseSink,
  ServerStream,
} from "../../src/proxy/relay/exchange.ts";

/** The least a proxy does: each request goes to the connection that `connect` hands out, its response comes back. */
export function passThrough(connect: (ready: (connection: ClientConnection) => void) => void): RequestHandler {
  return {
    request(head: RequestHead, stream: ServerStream): void {
      const kept = head.copy();
      connect((connection) => new Passage(stream).start(kept, connection));
    },
  };
}

class Passage implements RequestSink, ResponseSink {
  readonly #server: ServerStream;
  #client: ClientStream | null = null;

  constructor(server: ServerStream) {
    this.#server = server;
  }

  start(head: RequestHead, connection: ClientConnection): void {
    const response: ResponseSink = {
      response: (given: ResponseHead) => this.response(given),
      resumeRequest: () => this.resumeRequest(),
      body: (chunk, from, to) => this.#server.body(chunk, from, to),
      end: (trailers) => this.#server.end(trailers),
      abort: (cause) => this.#server.abort(cause),
    };
    this.#client = connection.open(head, [], response);
    this.#server.receive(this);
  }

  response(head: ResponseHead): void {
    this.#server.respond(head, []);
  }
  resumeRequest(): void {
    this.#server.resume();
  }
  resumeResponse(): void {
    this.#client?.resume();
  }
  body(chunk: Uint8Array, from: number, to: number): boolean {
    return this.#client?.body(chunk, from, to) ?? true;
  }
  end(trailers: Fields | null): void {
    this.#client?.end(trailers);
  }
  abort(cause: RelayError): void {
    this.#client?.abort(cause);
  }
}
