import type { Transport, TransportHandler } from "#net/transport";

/**
 * Carries bytes both ways between two connections until both have ended, without looking at them.
 * A FIN travels on as a FIN once what came before it is written; a reset travels on as a reset.
 * What one side does not take at once is kept (at most one read) and the other side is paused.
 */
export class OpaqueRelay {
  readonly #client: RelaySide;
  readonly #server: RelaySide;

  /** `finished` runs once, when both connections are closed; its cause is that of the first to break. */
  constructor(client: Transport, server: Transport, finished: (cause: string | undefined) => void) {
    let open = 2;
    let cause: string | undefined;
    const closed = (reason: string | undefined) => {
      cause ??= reason;
      if (--open === 0) finished(cause);
    };
    this.#client = new RelaySide(client, closed);
    this.#server = new RelaySide(server, closed);
    this.#client.other = this.#server;
    this.#server.other = this.#client;
  }

  /** Takes both connections over. `early` is what each side has already sent, `hasEnded` whether its FIN was seen. */
  start(fromClient: EarlyBytes, fromServer: EarlyBytes): void {
    this.#client.begin(fromClient);
    this.#server.begin(fromServer);
  }

  /** Resets both sides. */
  terminate(): void {
    this.#client.transport.terminate();
    this.#server.transport.terminate();
  }
}

/** What was read from a connection before the relay took it over. */
export interface EarlyBytes {
  readonly chunks: readonly Uint8Array[];
  readonly hasEnded: boolean;
}

export const NOTHING_EARLY: EarlyBytes = { chunks: [], hasEnded: false };

class RelaySide implements TransportHandler {
  readonly transport: Transport;
  other: RelaySide = this;
  readonly #onClosed: (cause: string | undefined) => void;
  #unsent: Uint8Array | null = null; // for this side's peer, after a short write
  #unsentAt = 0;
  #mayShutdown = false; // the other side has ended: FIN after what is unsent
  #hasEnded = false; // this side's peer sent FIN
  #isShut = false; // we sent FIN to this side's peer
  #isClosed = false;

  constructor(transport: Transport, onClosed: (cause: string | undefined) => void) {
    this.transport = transport;
    this.#onClosed = onClosed;
  }

  begin(early: EarlyBytes): void {
    this.transport.handler = this;
    for (const chunk of early.chunks) this.other.send(chunk);
    if (early.hasEnded) this.end();
    else if (this.other.#unsent === null) this.transport.resume();
  }

  data(chunk: Uint8Array): void {
    this.other.send(chunk);
  }

  /** Writes to this side's peer; what does not fit is kept and the source paused. */
  send(chunk: Uint8Array): void {
    if (this.#unsent) {
      const kept = this.#unsent.subarray(this.#unsentAt);
      this.#unsent = Buffer.concat([kept, chunk]);
      this.#unsentAt = 0;
      return;
    }
    const written = this.transport.write(chunk, 0, chunk.length);
    if (written < 0 || written === chunk.length) return; // closed: `closed` tells the other side
    this.#unsent = chunk;
    this.#unsentAt = written;
    this.other.transport.pause();
  }

  drain(): void {
    const unsent = this.#unsent;
    if (unsent) {
      const written = this.transport.write(unsent, this.#unsentAt, unsent.length);
      if (written < 0) return;
      this.#unsentAt += written;
      if (this.#unsentAt < unsent.length) return;
      this.#unsent = null;
      this.other.transport.resume();
    }
    if (this.#mayShutdown) this.#shutdown();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.other.#mayShutdown = true;
    if (this.other.#unsent === null) this.other.#shutdown();
    this.#closeWhenDone();
  }

  closed(cause: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed(cause);
    if (this.other.#isClosed) return;
    // A break must not look like a finished stream. A TLS session that both sides ended closes without a word of `end`.
    if (cause !== undefined) this.other.transport.terminate();
    else if (this.#hasEnded) this.other.#closeWhenDone();
    else this.end();
  }

  #shutdown(): void {
    if (this.#isShut || this.#isClosed) return;
    this.#isShut = true;
    this.transport.shutdown();
    this.#closeWhenDone();
    this.other.#closeWhenDone();
  }

  /** Both directions of this connection have ended, or nobody is left to hear this peer: Bun leaves the closing to us. */
  #closeWhenDone(): void {
    if ((this.#hasEnded || this.other.#isClosed) && this.#isShut && !this.#isClosed) this.transport.close();
  }
}
