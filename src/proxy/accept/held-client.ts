import type { TcpTransport } from "#net/tcp";
import type { TransportHandler } from "#net/transport";
import type { EarlyBytes } from "../relay/opaque.ts";

/**
 * Keeps a client's first bytes while it is decided who serves it: reading stops after each chunk, so that what is held
 * is bounded by one read more than what was too short to tell anything. Hears of the client's going, so that nobody dials for it in vain.
 */
export class HeldClient implements TransportHandler {
  readonly transport: TcpTransport;
  readonly #chunks: Uint8Array[] = [];
  #hasEnded = false;
  #isTaken = false;
  #spoke: (() => void) | null = null;
  #gone: ((cause: string | undefined) => void)[] = [];
  #closedWith: { cause: string | undefined } | null = null;

  /** `first` is what was read of the client's bytes already; the transport is then paused. */
  constructor(transport: TcpTransport, first?: Uint8Array) {
    this.transport = transport;
    if (first && first.length > 0) {
      this.#chunks.push(first);
      transport.pause();
    }
    transport.handler = this;
  }

  /** Runs once when the first bytes, or the end, are there; at once when they already are. */
  onSpeak(spoke: () => void): void {
    if (this.#chunks.length > 0 || this.#hasEnded) spoke();
    else this.#spoke = spoke;
  }

  /** Runs once when the client is gone before `take`; all who asked are told. */
  onGone(gone: (cause: string | undefined) => void): void {
    if (this.#closedWith) gone(this.#closedWith.cause);
    else this.#gone.push(gone);
  }

  /** Takes another chunk, when what came was too short. `spoke` runs when it, or the end, is there. */
  readOn(spoke: () => void): void {
    this.#spoke = spoke;
    if (this.#hasEnded) this.#speak();
    else this.transport.resume();
  }

  /** What came first; empty when the client ended without a word. */
  get first(): Uint8Array {
    return this.#chunks.length > 1 ? Buffer.concat(this.#chunks) : (this.#chunks[0] ?? NOTHING);
  }

  /** The client will say no more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get hasSpoken(): boolean {
    return this.#chunks.length > 0;
  }

  get isGone(): boolean {
    return this.#closedWith !== null;
  }

  /** Hands over what was held. The caller sets the transport's handler and resumes it. */
  take(): EarlyBytes {
    this.#isTaken = true;
    this.#spoke = null;
    this.#gone = [];
    return { chunks: this.#chunks, hasEnded: this.#hasEnded };
  }

  data(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.transport.pause();
    this.#speak();
  }

  drain(): void {}

  end(): void {
    this.#hasEnded = true;
    this.#speak();
  }

  closed(cause: string | undefined): void {
    this.#closedWith = { cause };
    this.#spoke = null;
    const gone = this.#gone;
    this.#gone = [];
    if (!this.#isTaken) for (const tell of gone) tell(cause);
  }

  #speak(): void {
    const spoke = this.#spoke;
    this.#spoke = null;
    spoke?.();
  }
}

const NOTHING = new Uint8Array(0);
