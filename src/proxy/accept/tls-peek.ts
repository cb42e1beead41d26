import type { Clock, Timer } from "#lib/clock";
import type { TcpTransport } from "#net/tcp";
import { readClientHello } from "#tls-hello";

/** What a connection turned out to begin with. `sni` is undefined when the ClientHello has none. */
export type PeekResult = { readonly kind: "tls"; readonly sni: string | undefined } | { readonly kind: "plain" };

/**
 * Looks whether a connection begins with a TLS ClientHello without taking a byte of it: what was read could not be given
 * back to TLS. Mostly the bytes are there already. When not, reading stays paused and they are looked for again, often at
 * first: a socket does not tell of bytes that it may not read.
 */
export class TlsPeek {
  readonly #transport: TcpTransport;
  readonly #clock: Clock;
  readonly #decided: (result: PeekResult) => void;
  #timer: Timer | null = null;
  #tryCount = 0;
  #isDone = false;

  constructor(transport: TcpTransport, clock: Clock, decided: (result: PeekResult) => void) {
    this.#transport = transport;
    this.#clock = clock;
    this.#decided = decided;
  }

  start(): void {
    this.#look();
    if (!this.#isDone) this.#transport.pause();
  }

  cancel(): void {
    this.#isDone = true;
    this.#timer?.cancel();
  }

  #look(): void {
    if (this.#isDone || this.#transport.isClosed) return;
    const bytes = this.#transport.peek(MAX_HELLO_BYTES);
    const hello = bytes && (bytes.length === 0 ? NOT_TLS : readClientHello(bytes));
    if (!hello || (hello.kind === "more" && bytes.length < MAX_HELLO_BYTES)) {
      this.#timer = this.#clock.schedule(delayMs(this.#tryCount++), () => this.#look());
      return;
    }
    this.cancel();
    this.#decided(hello.kind === "hello" ? { kind: "tls", sni: hello.sni } : { kind: "plain" });
  }
}

/** 10 ms every millisecond, 100 ms every 5, then every 20: a silent connection costs 50 looks of 0.1 µs a second. */
function delayMs(tryCount: number): number {
  return tryCount < 10 ? 1 : tryCount < 30 ? 5 : 20;
}

const MAX_HELLO_BYTES = 8192;
const NOT_TLS = { kind: "other" } as const; // the client has closed
