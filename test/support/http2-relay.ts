import type { Fields } from "#fields";
import { systemClock } from "#lib/clock";
import type { RequestHead, ResponseHead } from "#message";
import { dialTcp } from "#net/dial";
import { listenTcp } from "#net/tcp";
import type { RelayError } from "../../src/proxy/errors.ts";
import type {
  ClientStream,
  RequestHandler,
  RequestSink,
  ResponseSink,
  ServerStream,
} from "../../src/proxy/relay/exchange.ts";
import { Http2ClientConnection } from "../../src/proxy/relay/http2-client.ts";
import { Http2ServerConnection } from "../../src/proxy/relay/http2-server.ts";

/** A proxy of nothing but the two HTTP/2 connections: every request goes to one upstream connection. */
export class Http2Relay implements RequestHandler {
  readonly port: number;
  readonly #listener: { stop(): void };
  readonly connections = new Set<Http2ServerConnection>();
  readonly upstream: Http2ClientConnection;

  static async start(targetPort: number): Promise<Http2Relay> {
    const upstream = await connectHttp2(targetPort);
    return new Http2Relay(upstream);
  }

  private constructor(upstream: Http2ClientConnection) {
    this.upstream = upstream;
    const listener = listenTcp({
      hostname: "127.0.0.1",
      port: 0,
      accept: (transport) => {
        const onClosed = (connection: Http2ServerConnection) => void this.connections.delete(connection);
        this.connections.add(new Http2ServerConnection({ transport, handler: this, clock: systemClock, onClosed }));
      },
    });
    this.#listener = listener;
    this.port = listener.address.port;
  }

  request(head: RequestHead, stream: ServerStream): void {
    new JoinedExchange(head, stream, this.upstream);
  }

  stop(): void {
    this.#listener.stop();
    for (const connection of this.connections) connection.destroy();
    this.upstream.destroy();
  }
}

/** Both halves of one exchange, tied together without a second thought. */
export class JoinedExchange implements RequestSink {
  readonly #client: ClientStream;

  constructor(head: RequestHead, server: ServerStream, upstream: Http2ClientConnection) {
    const sink: ResponseSink = {
      response: (head: ResponseHead) => server.respond(head, []),
      body: (chunk, from, to) => server.body(chunk, from, to),
      end: (trailers: Fields | null) => server.end(trailers),
      abort: (cause: RelayError) => server.abort(cause),
      resumeRequest: () => server.resume(),
    };
    this.#client = upstream.open(head, [], sink);
    server.receive(this);
  }

  body(chunk: Uint8Array, from: number, to: number): boolean {
    return this.#client.body(chunk, from, to);
  }

  end(trailers: Fields | null): void {
    this.#client.end(trailers);
  }

  abort(cause: RelayError): void {
    this.#client.abort(cause);
  }

  resumeResponse(): void {
    this.#client.resume();
  }
}

/** A client connection to a local port. */
export function connectHttp2(port: number): Promise<Http2ClientConnection> {
  return new Promise((resolve, reject) => {
    dialTcp({ address: { ip: "127.0.0.1", port }, timeoutMs: 5000 }, systemClock, {
      connected: (transport) =>
        resolve(new Http2ClientConnection({ transport, clock: systemClock, owner: { available() {}, gone() {} } })),
      failed: reject,
    });
  });
}
