/**
 * Proxies that follow the destination service: each a connection of its own with mutual TLS 1.3, and on it two `Get`
 * streams, one of a service that all follow and one of a service of its own (`%` in its path is the proxy's number).
 *   bun subscribers.ts HOST PORT NAME CERT KEY CA COUNT CONCURRENCY COMMON_PATH OWN_PATH
 * Prints "subscribed" when all have both first answers. Then takes names, one a line, answers "watching NAME", and prints
 * "seen NAME" when the last proxy has been sent it on the common stream. Ends with its input.
 */
import { GetDestination } from "#proto/destination";

const [host, port, serverName, cert, key, ca, count, concurrency, commonPath, ownPath] = process.argv.slice(
  2,
) as string[];
const PROXIES = Number(count);
const COMMON_STREAM = 1;
const OWN_STREAM = 3;
const WINDOW_BYTES = 16 * 1024 * 1024; // far more than is ever sent: no credit has to be given
const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE] = [0, 1, 3, 4, 6, 7, 8]; // RFC 9113 §6
const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;
const tls = {
  serverName,
  cert: await Bun.file(cert).text(),
  key: await Bun.file(key).text(),
  ca: await Bun.file(ca).text(),
  minVersion: 0x0304,
  rejectUnauthorized: true,
};

let wanted: string | undefined;
let seenCount = 0;
let subscribedCount = 0;

/** One proxy's connection. Any end of it or of a stream ends the program: nothing may go missing unnoticed. */
class Subscriber {
  #unread: Buffer = Buffer.alloc(0);
  #lastSeen = "";
  #answered = 0; // bit 1: common, bit 2: own
  readonly subscribed = Promise.withResolvers<void>();

  /** Takes what was read; returns what has to be answered. */
  read(chunk: Buffer): Buffer {
    const replies: Buffer[] = [];
    let bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const end = 9 + bytes.readUIntBE(0, 3);
      replies.push(this.#frame(bytes[3]!, bytes[4]!, bytes.readUInt32BE(5), bytes.subarray(9, end)));
      bytes = bytes.subarray(end);
    }
    this.#unread = Buffer.from(bytes);
    return Buffer.concat(replies);
  }

  #frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
    if (type === GOAWAY || type === RST_STREAM || ((type === HEADERS || type === DATA) && flags & END_STREAM))
      fail(`Stream ${stream} ended: frame ${type}, ${payload.toString("latin1")}`);
    if (type === SETTINGS && !(flags & ACK)) return frame(SETTINGS, ACK, 0);
    if (type === PING && !(flags & ACK)) return frame(PING, ACK, 0, payload);
    if (type === DATA && payload.length > 0) this.#data(stream, payload);
    return Buffer.alloc(0);
  }

  #data(stream: number, payload: Buffer): void {
    const answered = this.#answered | (stream === COMMON_STREAM ? 1 : 2);
    if (answered === 3 && this.#answered !== 3) this.subscribed.resolve();
    this.#answered = answered;
    if (stream !== COMMON_STREAM || wanted === undefined || this.#lastSeen === wanted) return;
    if (!payload.includes(wanted)) return;
    this.#lastSeen = wanted;
    if (++seenCount === PROXIES) process.stdout.write(`seen ${wanted}\n`);
  }
}

function connectOne(index: number): Promise<void> {
  const subscriber = new Subscriber();
  Bun.connect({
    hostname: host,
    port: Number(port),
    tls: tls as Bun.TLSOptions,
    socket: {
      handshake(socket, _ok, error) {
        if (!socket.authorized) fail(`The server is not ${serverName}: ${error?.message}`);
        socket.write(opening(index));
      },
      data(socket, chunk) {
        const reply = subscriber.read(chunk);
        if (reply.length > 0) socket.write(reply);
      },
      close: () => fail(`Connection ${index} was closed`),
      error: (_socket, error) => fail(`Connection ${index} failed: ${error.message}`),
    },
  }).catch((error: Error) => fail(`Cannot connect: ${error.message}`));
  return subscriber.subscribed.promise;
}

/** All that a proxy has to say: preface, settings, both requests. */
function opening(index: number): Buffer {
  const initialWindow = Buffer.alloc(6);
  initialWindow.writeUInt16BE(4, 0); // SETTINGS_INITIAL_WINDOW_SIZE
  initialWindow.writeUInt32BE(WINDOW_BYTES, 2);
  const credit = Buffer.alloc(4);
  credit.writeUInt32BE(WINDOW_BYTES);
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(SETTINGS, 0, 0, initialWindow),
    frame(WINDOW_UPDATE, 0, 0, credit),
    request(COMMON_STREAM, commonPath!),
    request(OWN_STREAM, ownPath!.replace("%", String(index))),
  ]);
}

function request(stream: number, path: string): Buffer {
  const message = GetDestination.encode({
    scheme: "k8s",
    path,
    contextToken: '{"ns":"shop","nodeName":"node-1"}',
  }).finish();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const head = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/io.linkerd.proxy.destination.Destination/Get"],
    [":authority", `${host}:${port}`],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ].map(([name, value]) =>
    Buffer.concat([
      Buffer.from([0, name!.length]),
      Buffer.from(name!),
      Buffer.from([value!.length]),
      Buffer.from(value!),
    ]),
  ); // RFC 7541 §6.2.2
  return Buffer.concat([
    frame(HEADERS, END_HEADERS, stream, Buffer.concat(head)),
    frame(DATA, END_STREAM, stream, Buffer.concat([prefix, message])),
  ]);
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

async function worker(): Promise<void> {
  while (subscribedCount < PROXIES) await connectOne(subscribedCount++);
}

await Promise.all(Array.from({ length: Number(concurrency) }, worker));
process.stdout.write("subscribed\n");
for await (const text of console) {
  seenCount = 0;
  wanted = text;
  process.stdout.write(`watching ${text}\n`);
}
process.exit(0);
