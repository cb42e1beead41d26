import { connect, createServer, type Server, type Socket } from "node:net";
import { listenError } from "#net/listen-error";

/**
 * A port whose connections go to whichever loopback port is current, bytes untouched. Lets a TLS server be replaced
 * (Bun cannot change a listener's certificate) without a moment in which a connection is refused or reset.
 */
export class TcpFront {
  /** Where new connections go. */
  targetPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(targetPort: number) {
    this.targetPort = targetPort;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#join(client));
  }

  /** Listens; port 0 picks a free one. */
  static listen(options: { readonly host: string; readonly port: number }, targetPort: number): Promise<TcpFront> {
    const front = new TcpFront(targetPort);
    return new Promise((resolve, reject) => {
      front.#server.once("error", (cause: Error) => {
        reject(listenError({ ...options, purpose: "webhooks" }, cause));
      });
      front.#server.listen(options.port, options.host, () => resolve(front));
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  /** Accepts no more; what is open goes on. */
  stopAccepting(): void {
    this.#server.close();
  }

  /** Cuts what is still open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket): void {
    const inner = connect({ port: this.targetPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    for (const socket of [client, inner]) {
      this.#sockets.add(socket);
      socket.on("error", () => {}); // `close` follows
      socket.on("close", () => this.#sockets.delete(socket));
    }
    client.on("close", () => inner.destroy());
    inner.on("close", () => {
      client.resume(); // unread bytes would turn the answer on its way into a reset
      client.end(() => client.destroySoon());
    });
    client.pipe(inner); // pipe pauses the faster side
    inner.pipe(client);
  }
}
