/**
 * Connections of every kind that go wrong at every point, by a seed: HTTP/1 and HTTP/2 in pieces, cut off anywhere and
 * ended in every way, opaque bytes, nonsense, silence, TLS handshakes given up.
 * Words: seed, count, then places as kind@host:port (kinds http, opaque, tls). Prints how the connections ended.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { seededRandom } from "#lib/random";

const [seed, count, ...places] = process.argv.slice(2);
const random = seededRandom(Number(seed));
const below = (limit: number) => Math.floor(random.next() * limit);
const pick = <T>(all: readonly T[]): T => all[below(all.length)];

const AT_ONCE = 40;
const DEADLINE_MS = 2_000;
const endings: Record<string, number> = {};

const frame = (type: number, flags: number, stream: number, payload: Buffer) =>
  Buffer.concat([Buffer.from([0, payload.length >> 8, payload.length & 255, type, flags, 0, 0, 0, stream]), payload]);
const LIST = Buffer.concat([Buffer.from([0x86, 0x84, 0x41, 3]), Buffer.from("a.b")]); // http, /, authority a.b
const GET = Buffer.concat([Buffer.from([0x82]), LIST]);
const POST = Buffer.concat([Buffer.from([0x83]), LIST]);
const PREFACE = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]);

const HTTP: readonly (() => Buffer)[] = [
  () => Buffer.from("GET /?status=200 HTTP/1.1\r\nhost: a.b\r\n\r\n".repeat(1 + below(3))),
  () => Buffer.from(`POST / HTTP/1.1\r\nhost: a.b\r\ncontent-length: 5000\r\n\r\n${"x".repeat(5000)}`),
  () =>
    Buffer.from(
      "POST / HTTP/1.1\r\nhost: a.b\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
    ),
  () => Buffer.from("GET / HTTP/1.1\r\nhost: a.b\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nthrough"),
  () => Buffer.from("GET / HTTP/1.1\r\nhost: a.b\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
  () => Buffer.from(`GET / HTTP/1.1\r\nhost: a.b\r\nx: ${"y".repeat(70_000)}\r\n\r\n`),
  () =>
    Buffer.concat([
      PREFACE,
      frame(1, 5, 1, GET),
      frame(1, 4, 3, POST),
      frame(0, 0, 3, Buffer.alloc(1000)),
      frame(3, 0, 3, Buffer.from([0, 0, 0, 8])),
      frame(1, 4, 5, POST),
      frame(0, below(2), 5, Buffer.alloc(1000)),
    ]),
  () => Buffer.concat([PREFACE, frame(1, 5, 1, Buffer.from([0xff, 0xff, 0xff]))]),
];
const OPAQUE: readonly (() => Buffer)[] = [
  () => Buffer.alloc(0),
  () => Buffer.from("hello"),
  () => Buffer.alloc(1 + below(300_000), 7),
  () => Buffer.from([0x16, 3, 1, 0, 200, 1, 0]),
];

function speak(socket: Socket, bytes: Buffer, onEnd: () => void): void {
  let at = 0;
  const next = () => {
    if (socket.destroyed) return;
    const to = Math.min(bytes.length, at + 1 + below(bytes.length));
    socket.write(bytes.subarray(at, to));
    at = to;
    if (at < bytes.length) setImmediate(next);
    else onEnd();
  };
  if (bytes.length > 0) next();
  else onEnd();
}

/** How the client leaves once it has said what it had to say. */
const LEAVE: Record<string, (socket: Socket) => void> = {
  reset: (socket) => void socket.resetAndDestroy(),
  fin: (socket) => void socket.end(),
  "answer, then reset": (socket) => void socket.once("data", () => socket.resetAndDestroy()),
  "answer, then fin": (socket) => void socket.once("data", () => socket.end()),
  silence: (socket) => void setTimeout(() => socket.destroy(), below(300)),
};

function one(place: string): Promise<void> {
  const [kind, host, port] = place.split(/[@:]/);
  const how = pick(Object.keys(LEAVE));
  const all = kind === "tls" ? Buffer.alloc(0) : pick(kind === "http" && below(8) > 0 ? HTTP : OPAQUE)();
  const bytes = below(2) === 0 ? all : all.subarray(0, below(all.length + 1));
  return new Promise((resolve) => {
    const plain = connect({ host, port: Number(port), allowHalfOpen: true });
    const socket =
      kind === "tls" ? connectTls({ socket: plain, servername: "nobody.shop", rejectUnauthorized: false }) : plain;
    const deadline = setTimeout(() => plain.destroy(), DEADLINE_MS);
    plain.on("connect", () => speak(plain, bytes, () => LEAVE[how](plain)));
    socket.on("data", () => {});
    plain.on("end", () => plain.end());
    for (const each of new Set([plain, socket])) each.on("error", () => {});
    plain.on("close", () => {
      clearTimeout(deadline);
      endings[`${kind} ${how}`] = (endings[`${kind} ${how}`] ?? 0) + 1;
      resolve();
    });
  });
}

let left = Number(count);
const worker = async () => {
  while (left-- > 0) await one(pick(places));
};
await Promise.all(Array.from({ length: AT_ONCE }, worker));
console.log(JSON.stringify(endings));
process.exit(0);
