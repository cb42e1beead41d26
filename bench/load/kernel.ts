import { dlopen, ptr } from "bun:ffi";

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
  send: { args: ["i32", "ptr", "u64", "i32"], returns: "i32" },
  recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i32" },
  epoll_create1: { args: ["i32"], returns: "i32" },
  epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  epoll_pwait2: { args: ["i32", "ptr", "i32", "ptr", "ptr"], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
});
const [AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY] = [2, 1, 6, 1];
const [MSG_DONTWAIT, MSG_NOSIGNAL] = [0x40, 0x4000];
const [EPOLL_CTL_ADD, EPOLLIN] = [1, 1];
const EVENT_BYTES = 12; // struct epoll_event is packed on x86-64
const PR_SET_TIMERSLACK = 29;
const TIMESPEC_BYTES = 16;
const RECEIVE_BYTES = 64 * 1024;

/**
 * TCP connections over the kernel's own calls, numbered from 0. Nothing is allocated per call, so that the collector of the
 * program that measures never pauses it, and waits end when they should to some microseconds. Buffers stand over explicit
 * ArrayBuffers: the storage of a small typed array moves when a view of it is made.
 */
export class Connections {
  /** What the last `receive` filled. */
  readonly received = new Uint8Array(new ArrayBuffer(RECEIVE_BYTES));
  readonly #receivedAt = ptr(this.received);
  readonly #sockets: number[] = [];
  readonly #epoll = libc.epoll_create1(0);
  readonly #events: DataView;
  readonly #eventsAt: ReturnType<typeof ptr>;
  readonly #timeout = new Int32Array(new ArrayBuffer(TIMESPEC_BYTES)); // two 64-bit words: seconds, nanoseconds
  readonly #timeoutAt = ptr(this.#timeout);

  /** Connects to an IPv4 address; throws when a connection is refused. */
  constructor(host: string, port: number, count: number) {
    libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    const events = new ArrayBuffer(EVENT_BYTES * count);
    this.#events = new DataView(events);
    this.#eventsAt = ptr(events);
    const address = Uint8Array.from([
      AF_INET,
      0,
      port >> 8,
      port & 255,
      ...host.split(".").map(Number),
      ...Buffer.alloc(8),
    ]);
    const one = Int32Array.of(1);
    for (let index = 0; index < count; index++) {
      const socket = libc.socket(AF_INET, SOCK_STREAM, 0);
      if (libc.connect(socket, ptr(address), address.length) !== 0)
        throw new Error(`Cannot connect to ${host}:${port}`);
      libc.setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, ptr(one), 4);
      this.#events.setUint32(0, EPOLLIN, true);
      this.#events.setUint32(4, index, true);
      libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, socket, this.#eventsAt);
      this.#sockets.push(socket);
    }
  }

  /** Waits for replies, `timeoutMs` (below 1,000) at most; returns how many connections have one. */
  wait(timeoutMs: number): number {
    this.#timeout[2] = Math.max(0, timeoutMs * 1_000_000);
    return libc.epoll_pwait2(this.#epoll, this.#eventsAt, this.#sockets.length, this.#timeoutAt, null);
  }

  /** The number of the connection that the last `wait` found at this place. */
  ready(place: number): number {
    return this.#events.getUint32(place * EVENT_BYTES + 4, true);
  }

  /** Bytes that came, in `received`; 0 at the end, below 0 when the connection has failed. */
  receive(connection: number): number {
    return libc.recv(this.#sockets[connection]!, this.#receivedAt, RECEIVE_BYTES, MSG_DONTWAIT);
  }

  /** Sends a message that the kernel has room for; false when it had not, or the connection is gone. */
  send(connection: number, message: Uint8Array): boolean {
    return (
      libc.send(this.#sockets[connection]!, message, message.length, MSG_DONTWAIT | MSG_NOSIGNAL) === message.length
    );
  }
}
