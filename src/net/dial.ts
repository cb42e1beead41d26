import type { Socket } from "bun";
import type { Clock, Timer } from "#lib/clock";
import { formatAddress, type SocketAddress } from "./address.ts";
import { errnoName, isConnected, setKeepAlive, setUserTimeout, startConnect } from "./libc.ts";
import { codeOf, SOCKET_HANDLER, TcpTransport } from "./tcp.ts";
import type { ClientTls } from "./tls.ts";
import { encodeAlpn, type TlsPeer } from "./tls-identity.ts";

export interface DialOptions {
  readonly address: SocketAddress;
  /** Covers the TLS handshake as well. */
  readonly timeoutMs: number;
  readonly keepAliveMs?: number;
  readonly userTimeoutMs?: number;
  readonly tls?: ClientTls;
}

/** How a dial ended. Exactly one is called, later than `dialTcp` returns; none after `cancel`. */
export interface DialOutcome {
  connected(transport: TcpTransport): void;
  failed(failure: DialError): void;
}

/** Why a connection was not made. */
export class DialError extends Error {
  override readonly name = "DialError";
  readonly kind: "refused" | "timeout" | "tls" | "unreachable";

  constructor(kind: DialError["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Connects to an address, over TLS when asked for, and can be cancelled at any moment (Bun's own connect cannot).
 * A TLS server is accepted when its chain leads to our roots and one of its names is the expected one.
 */
export function dialTcp(options: DialOptions, clock: Clock, outcome: DialOutcome): { cancel(): void } {
  const dial = new Dial(options, outcome);
  dial.start(clock);
  return dial;
}

class Dial {
  readonly #options: DialOptions;
  readonly #outcome: DialOutcome;
  #timer: Timer | null = null;
  #transport: TcpTransport | null = null;
  #isDone = false;
  #fd = -1;

  constructor(options: DialOptions, outcome: DialOutcome) {
    this.#options = options;
    this.#outcome = outcome;
  }

  start(clock: Clock): void {
    this.#timer = clock.schedule(this.#options.timeoutMs, () => this.#timeOut());
    const { fd, errno } = startConnect(this.#options.address, (socket) => {
      if (this.#options.keepAliveMs) setKeepAlive(socket, this.#options.keepAliveMs);
      if (this.#options.userTimeoutMs) setUserTimeout(socket, this.#options.userTimeoutMs);
    });
    if (fd < 0) {
      queueMicrotask(() => this.#fail("refused", errnoName(errno)));
      return;
    }
    this.#fd = fd;
    const connecting = Bun.connect<TcpTransport>({
      fd,
      allowHalfOpen: true,
      ...(this.#options.tls ? { tls: clientOptions(this.#options.tls) } : {}),
      data: this, // until the transport takes its place: a connection must not keep what made it
      socket: DIALLED,
    } as never) as Promise<unknown>;
    connecting.catch((cause: unknown) => this.#fail("refused", codeOf(cause as Error) ?? String(cause)));
  }

  cancel(): void {
    if (!this.#finish()) return;
    this.#transport?.terminate();
  }

  /** @internal Called by the socket's handler when the socket ends before it has opened. */
  ended(cause: string | undefined): void {
    this.#fail(kindOf(cause), cause ?? "ECONNREFUSED");
  }

  /** @internal Called by the socket's handler. Bun opens a handed-in descriptor before TCP has connected: writability, or the handshake, tells. */
  opened(socket: Socket<TcpTransport>): void {
    const transport = new TcpTransport(socket, this.#options.address, null);
    socket.data = transport;
    this.#transport = transport;
    if (this.#isDone) {
      transport.terminate();
      return;
    }
    const closed = (cause: string | undefined) => this.ended(cause);
    transport.handler = { data() {}, end() {}, closed, drain: () => this.#writable() };
    if (this.#options.tls) transport.onHandshake = (failure, peer) => this.#handshakeDone(failure, peer);
    else if (isConnected(this.#fd)) queueMicrotask(() => this.#writable());
  }

  #writable(): void {
    if (!this.#isDone && !this.#options.tls && isConnected(this.#fd)) this.#succeed();
  }

  #handshakeDone(failure: string | undefined, peer: TlsPeer): void {
    const expectedId = this.#options.tls!.expectedId;
    const found = peer.names.length > 0 ? peer.names.join(", ") : "no name";
    if (failure === undefined && peer.names.includes(expectedId)) this.#succeed();
    else this.#fail("tls", failure ?? `the server is "${found}", wanted "${expectedId}"`);
  }

  #succeed(): void {
    const transport = this.#transport!;
    if (!this.#finish()) return;
    this.#transport = null;
    this.#outcome.connected(transport);
  }

  #timeOut(): void {
    this.#fail("timeout", `no answer within ${this.#options.timeoutMs} ms`);
  }

  #fail(kind: DialError["kind"], reason: string): void {
    if (!this.#finish()) return;
    this.#transport?.terminate();
    const what = this.#options.tls ? ` as "${this.#options.tls.expectedId}"` : "";
    this.#outcome.failed(
      new DialError(kind, `Cannot connect to ${formatAddress(this.#options.address)}${what}: ${reason}`),
    );
  }

  /** True for the first caller. */
  #finish(): boolean {
    if (this.#isDone) return false;
    this.#isDone = true;
    this.#timer?.cancel();
    this.#timer = null;
    return true;
  }
}

const DIALLED = {
  ...SOCKET_HANDLER,
  open: (socket: Socket<unknown>) => (socket.data as Dial).opened(socket as Socket<TcpTransport>),
};

function kindOf(cause: string | undefined): DialError["kind"] {
  if (cause === "ETIMEDOUT") return "timeout";
  return cause === "EHOSTUNREACH" || cause === "ENETUNREACH" ? "unreachable" : "refused";
}

function clientOptions(tls: ClientTls): object {
  return {
    ca: tls.files.trustRootsPem,
    ...(tls.files.certPem !== "" ? { cert: tls.files.certPem, key: tls.files.keyPem } : {}),
    serverName: tls.serverName,
    // The chain is judged by `authorized` and the name in `#handshakeDone`; nothing is written before.
    rejectUnauthorized: false,
    minVersion: 0x0304,
    ...(tls.alpn.length > 0 ? { ALPNProtocols: encodeAlpn(tls.alpn) } : {}),
  };
}
