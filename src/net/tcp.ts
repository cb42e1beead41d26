import type { Socket } from "bun";
import { canonicalIp, type SocketAddress } from "./address.ts";
import { maxOpenFiles, peek, setBacklog, setKeepAlive, setUserTimeout } from "./libc.ts";
import { listenError } from "./listen-error.ts";
import type { TlsFiles } from "./tls.ts";
import { encodeAlpn, namesInSubjectAltName, type TlsPeer } from "./tls-identity.ts";
import type { Transport, TransportHandler } from "./transport.ts";

/** Hears how many bytes a connection carries and when it ends. Called on every chunk: keep it to additions. */
export interface TransportMeter {
  read(byteCount: number): void;
  written(byteCount: number): void;
  closed(cause: string | undefined): void;
}

/** What a server does with a TLS handshake that ended. `failure` is undefined when the peer may stay. */
export type HandshakeDone = (failure: string | undefined, peer: TlsPeer) => void;

/** The transport over one Bun socket, plain or TLS. Made by `listenTcp` and `dialTcp`. */
export class TcpTransport implements Transport {
  handler: TransportHandler = IDLE;
  /** Set when a TLS handshake has ended well. */
  peer: TlsPeer | null = null;
  remote: SocketAddress;
  readonly local: SocketAddress;
  #socket: Socket<TcpTransport>;
  #handshake: HandshakeDone | null = null;
  #isClosed = false;
  #isPaused = false;
  #meter: TransportMeter | null = null;
  #isDialled = false;
  #unmeteredBytes = 0; // read before anybody counted
  readonly #onClosed: (() => void) | null;

  constructor(socket: Socket<TcpTransport>, remote: SocketAddress, onClosed: (() => void) | null) {
    this.#socket = socket;
    this.remote = remote;
    this.local = { ip: canonicalIp(socket.localAddress ?? "") ?? "", port: socket.localPort };
    this.#onClosed = onClosed;
  }

  get fd(): number {
    return (this.#socket as unknown as { fd: number }).fd;
  }

  get meter(): TransportMeter | null {
    return this.#meter;
  }

  /** Counts from now on, and what was read before. */
  set meter(meter: TransportMeter) {
    this.#meter = meter;
    if (this.#unmeteredBytes > 0) meter.read(this.#unmeteredBytes);
    this.#unmeteredBytes = 0;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  write(bytes: Uint8Array, from: number, to: number): number {
    if (this.#isClosed) return -1;
    if (from === to) return 0;
    const count = this.#socket.write(bytes, from, to - from);
    if (count > 0) this.#meter?.written(count);
    return count;
  }

  pause(): void {
    if (this.#isPaused || this.#isClosed) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  shutdown(): void {
    if (!this.#isClosed) this.#socket.shutdown();
  }

  /** `end` sends close_notify on TLS and then waits for the peer; on plain sockets it closes at once. */
  close(): void {
    if (this.#isClosed) return;
    this.#socket.end();
    if (this.peer) this.#socket.close();
  }

  terminate(): void {
    if (!this.#isClosed) this.#socket.terminate();
  }

  /** What waits unread in the socket, see `peek` in libc.ts. Only sensible before anything was read. */
  peek(maxBytes: number): Uint8Array | undefined {
    return this.#isClosed ? new Uint8Array(0) : peek(this.fd, maxBytes);
  }

  /**
   * Becomes the server's side of a TLS session; nothing may have been read yet. `done` runs once. A client that presents
   * a certificate which the trust roots do not vouch for is cut off here; one without a certificate has no `id`.
   */
  startTlsServer(files: TlsFiles, alpn: readonly string[], done: HandshakeDone): void {
    this.#handshake = done;
    const [raw, tls] = this.#socket.upgradeTLS<TcpTransport>({
      data: this,
      tls: {
        key: files.keyPem,
        cert: files.certPem,
        ca: files.trustRootsPem,
        requestCert: true,
        rejectUnauthorized: false,
        minVersion: TLS_1_3,
        secureOptions: SSL_OP_NO_TICKET,
        ...(alpn.length > 0 ? { ALPNProtocols: encodeAlpn(alpn) } : {}),
      },
      socket: SOCKET_HANDLER,
    } as never);
    raw.data = SILENT as never; // Bun shows the ciphertext to the old handlers as well
    this.#socket = tls as Socket<TcpTransport>;
  }

  /** Runs when the handshake of a dialled session ends, with the names of a chain that the roots vouch for. */
  set onHandshake(done: HandshakeDone) {
    this.#handshake = done;
    this.#isDialled = true;
  }

  /** @internal Called by the socket's handler. */
  handshakeEnded(isComplete: boolean, failure: Error | null): void {
    const done = this.#handshake;
    this.#handshake = null;
    if (!done) return;
    const peer = this.#readPeer();
    const isPresented = peer.names.length > 0 || this.#hasCertificate();
    const isTrusted = (this.#socket as unknown as { authorized: boolean }).authorized;
    const isNameLeft = this.#isDialled && isPresented && codeOf(failure) === ONLY_THE_NAME_DIFFERS;
    if (!isNameLeft && (!isComplete || (isPresented && !isTrusted))) {
      done(codeOf(failure) ?? "untrusted certificate", NO_PEER);
      return;
    }
    this.peer = peer;
    done(undefined, peer);
  }

  /** @internal */
  chunk(bytes: Uint8Array): void {
    if (this.#meter) this.#meter.read(bytes.length);
    else this.#unmeteredBytes += bytes.length;
    this.handler.data(bytes);
  }

  /** @internal */
  ended(cause: string | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed?.();
    this.#meter?.closed(cause);
    const done = this.#handshake;
    this.#handshake = null;
    if (done) done(cause ?? "closed during the handshake", NO_PEER);
    this.handler.closed(cause);
  }

  #hasCertificate(): boolean {
    return certificateOf(this.#socket) !== undefined;
  }

  #readPeer(): TlsPeer {
    const names = namesInSubjectAltName(certificateOf(this.#socket)?.subjectAltName);
    const alpn = (this.#socket as unknown as { alpnProtocol: string | false | null }).alpnProtocol;
    return { id: names[0], names, alpn: alpn || undefined };
  }
}

export interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  /** Connections beyond this are reset at once, so that descriptors are left to serve the others. */
  readonly maxConnections?: number;
  readonly backlog?: number;
  readonly keepAliveMs?: number;
  readonly userTimeoutMs?: number;
  /** Runs before anything is read from the connection. It sets `handler`. */
  readonly accept: (transport: TcpTransport) => void;
}

export interface TcpListener {
  readonly address: SocketAddress;
  connectionCount(): number;
  /** Takes no more connections; live ones go on. */
  stop(): void;
}

/** Listens. Throws when the address is taken or not ours, and says which. */
export function listenTcp(options: ListenOptions): TcpListener {
  try {
    return listen(options);
  } catch (cause) {
    throw listenError({ host: options.hostname, port: options.port }, cause as Error);
  }
}

function listen(options: ListenOptions): TcpListener {
  const maxConnections = options.maxConnections ?? maxAcceptedConnections();
  let count = 0;
  const closed = () => void count--;
  const listener = Bun.listen<TcpTransport>({
    hostname: options.hostname,
    port: options.port,
    allowHalfOpen: true,
    socket: {
      ...SOCKET_HANDLER,
      open(socket) {
        const { remoteAddress } = socket as { remoteAddress: string | undefined };
        // A peer that reset while it waited to be accepted has no address any more: nobody to serve, or to authorize.
        if (count >= maxConnections || remoteAddress === undefined) return void socket.terminate();
        count++;
        const remote = { ip: canonicalIp(remoteAddress) ?? "", port: socket.remotePort };
        const transport = new TcpTransport(socket, remote, closed);
        socket.data = transport;
        if (options.keepAliveMs) setKeepAlive(transport.fd, options.keepAliveMs);
        if (options.userTimeoutMs) setUserTimeout(transport.fd, options.userTimeoutMs);
        options.accept(transport);
      },
    },
  });
  if (options.backlog) setBacklog((listener as unknown as { fd: number }).fd, options.backlog);
  return {
    address: { ip: canonicalIp(options.hostname) ?? "127.0.0.1", port: listener.port },
    connectionCount: () => count,
    stop: () => listener.stop(false),
  };
}

/** Two descriptors per relayed connection, a tenth kept for everything else. */
function maxAcceptedConnections(): number {
  return Math.max(16, Math.floor((maxOpenFiles() * 0.9) / 2));
}

/** One object for every socket: what differs is in `socket.data`. */
export const SOCKET_HANDLER = {
  data(socket: Socket<TcpTransport>, chunk: Buffer) {
    socket.data.chunk(chunk);
  },
  drain(socket: Socket<TcpTransport>) {
    socket.data?.handler.drain();
  },
  end(socket: Socket<TcpTransport>) {
    socket.data?.handler.end();
  },
  close(socket: Socket<TcpTransport>, failure?: Error) {
    socket.data?.ended(codeOf(failure));
  },
  error(socket: Socket<TcpTransport>, failure: Error) {
    // Bun also brings what a handler threw: our own mistake, which ends this connection and no other.
    if ((failure as NodeJS.ErrnoException).code === undefined) handlerFailed(failure);
    socket.data?.ended(codeOf(failure) ?? failure.message);
    socket.terminate();
  },
  handshake(socket: Socket<TcpTransport>, isComplete: boolean, failure: Error | null) {
    socket.data.handshakeEnded(isComplete, failure);
  },
  timeout() {},
};

let handlerFailed: (failure: Error) => void = () => {};

/** Says who hears of exceptions thrown while a connection's events were handled. */
export function onHandlerFailure(report: (failure: Error) => void): void {
  handlerFailed = report;
}

/** The errno or TLS code that an error carries. */
export function codeOf(failure: Error | null | undefined): string | undefined {
  return failure ? ((failure as NodeJS.ErrnoException).code ?? failure.message) : undefined;
}

function certificateOf(socket: Socket<TcpTransport>): { subjectAltName?: string } | undefined {
  const read = (socket as unknown as { getPeerX509Certificate?: () => { subjectAltName?: string } | undefined })
    .getPeerX509Certificate;
  return read?.call(socket) ?? undefined;
}

/**
 * Bun compares the server's names with the SNI, which an identity by URI cannot be, and cannot be told not to. It does so
 * only for a chain that is sound; whoever dialled compares the names with the identity that it wants.
 */
const ONLY_THE_NAME_DIFFERS = "ERR_TLS_CERT_ALTNAME_INVALID";
const TLS_1_3 = 0x0304; // a number: raw sockets throw on the text form
const SSL_OP_NO_TICKET = 0x4000;
const NO_PEER: TlsPeer = { id: undefined, names: [], alpn: undefined };
const IDLE: TransportHandler = { data() {}, drain() {}, end() {}, closed() {} };
const SILENT = { handler: IDLE, chunk() {}, ended() {}, handshakeEnded() {} };
