import { dlopen, type Pointer, ptr } from "bun:ffi";
import { formatIp, parseIp, type SocketAddress } from "./address.ts";

/**
 * The few system calls that Bun's sockets do not offer. Linux, glibc.
 * Every buffer here stands over an explicit ArrayBuffer: the storage of a small typed array moves when a view of it is
 * made, and the kernel would write to where it was.
 */
const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  close: { args: ["i32"], returns: "i32" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  getrlimit: { args: ["i32", "ptr"], returns: "i32" },
});

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4000 | 0o2000000;
const MSG_PEEK_DONTWAIT = 0x2 | 0x40;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_KEEPALIVE = 9;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_USER_TIMEOUT = 18;
const SO_ORIGINAL_DST = 80; // also IP6T_SO_ORIGINAL_DST
const RLIMIT_NOFILE = 7;

const sockaddr = new Uint8Array(new ArrayBuffer(32));
const word = new Int32Array(new ArrayBuffer(4));
const length = new Uint32Array(new ArrayBuffer(4));

/** A non-blocking TCP socket with its connect under way, or the errno that ended it at once. */
export function startConnect(
  address: SocketAddress,
  prepare: (fd: number) => void,
): { readonly fd: number; readonly errno: number } {
  const family = address.ip.includes(":") ? AF_INET6 : AF_INET;
  const fd = libc.socket(family, SOCK_STREAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) return { fd: -1, errno: EMFILE };
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  prepare(fd);
  libc.connect(fd, ptr(sockaddr), writeSockaddr(family, address));
  const errno = socketError(fd);
  if (errno === 0) return { fd, errno };
  libc.close(fd);
  return { fd: -1, errno };
}

/** SO_ERROR: what went wrong with the connection since last asked; 0 is nothing. */
export function socketError(fd: number): number {
  length[0] = 4;
  word[0] = 0;
  libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, ptr(word), ptr(length));
  return word[0];
}

/** Whether a connect under way has arrived. */
export function isConnected(fd: number): boolean {
  length[0] = 32;
  return libc.getpeername(fd, ptr(sockaddr), ptr(length)) === 0;
}

const peekBuffer = new Uint8Array(new ArrayBuffer(16384));

/**
 * Looks at what waits in the socket without taking it. Returns a view that is valid until the next peek; undefined
 * when nothing is there yet; empty when the peer has closed.
 */
export function peek(fd: number, maxBytes: number): Uint8Array | undefined {
  const count = Number(libc.recv(fd, ptr(peekBuffer), Math.min(maxBytes, peekBuffer.length), MSG_PEEK_DONTWAIT));
  return count < 0 ? undefined : peekBuffer.subarray(0, count);
}

/** Where the connection was headed before the network rules redirected it; undefined when it was not redirected. */
export function originalDst(fd: number): SocketAddress | undefined {
  length[0] = 16;
  if (libc.getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST, ptr(sockaddr), ptr(length)) === 0) {
    return { ip: formatIp(sockaddr.slice(4, 8)), port: (sockaddr[2] << 8) | sockaddr[3] };
  }
  length[0] = 28;
  if (libc.getsockopt(fd, IPPROTO_IPV6, SO_ORIGINAL_DST, ptr(sockaddr), ptr(length)) === 0) {
    return { ip: formatIp(sockaddr.slice(8, 24)), port: (sockaddr[2] << 8) | sockaddr[3] };
  }
  return undefined;
}

/** Probes an idle peer after this long, so that one that vanished is noticed. */
export function setKeepAlive(fd: number, afterMs: number): void {
  const seconds = Math.max(1, Math.round(afterMs / 1000));
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds);
}

/** Gives a connection up when what was sent stays unacknowledged for this long. */
export function setUserTimeout(fd: number, timeoutMs: number): void {
  setOption(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeoutMs);
}

/** Widens a listener's accept queue beyond Bun's 512 (the kernel caps it at somaxconn). */
export function setBacklog(fd: number, count: number): void {
  libc.listen(fd, count);
}

/** How many descriptors this process may have open. */
export function maxOpenFiles(): number {
  const limit = new BigUint64Array(new ArrayBuffer(16));
  if (libc.getrlimit(RLIMIT_NOFILE, ptr(limit)) !== 0) return 1024;
  return Number(limit[0] > 1_000_000n ? 1_000_000n : limit[0]);
}

const ERRNO_NAMES: Readonly<Record<number, string>> = {
  24: "EMFILE",
  99: "EADDRNOTAVAIL",
  101: "ENETUNREACH",
  104: "ECONNRESET",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  113: "EHOSTUNREACH",
};
const EMFILE = 24;

/** `ECONNREFUSED` for 111, and so on. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES[errno] ?? `errno ${errno}`;
}

function setOption(fd: number, level: number, option: number, value: number): void {
  word[0] = value;
  libc.setsockopt(fd, level, option, ptr(word) as Pointer, 4);
}

function writeSockaddr(family: number, address: SocketAddress): number {
  const ip = parseIp(address.ip);
  if (!ip) throw new Error(`Cannot connect to "${address.ip}": wanted an IP address`);
  sockaddr.fill(0);
  sockaddr[0] = family;
  sockaddr[2] = address.port >> 8;
  sockaddr[3] = address.port & 255;
  sockaddr.set(ip, family === AF_INET ? 4 : 8);
  return family === AF_INET ? 16 : 28;
}
