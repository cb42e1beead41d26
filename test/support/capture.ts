/** Packets as tcpdump sees them in some process's network namespace, and what TLS says in them. */
import { readTlsHandshake, type TlsHandshake } from "./tls-handshake.ts";

export interface Segment {
  readonly source: string; // ip:port
  readonly target: string;
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/**
 * A call to the discard port on loopback, refused: the last packet of a capture. tcpdump hands on what it has some time
 * after it was said, and drops the rest when it is ended; packets keep their order, so whoever sees this one has seen all.
 */
const LAST_PORT = 9;
const LAST_CALL = ["bash", "-c", `(exec 3<>/dev/tcp/127.0.0.1/${LAST_PORT}) 2>/dev/null; true`];

/**
 * Where packets wait until tcpdump, which may have to wait for a core, takes them. They are packed in it: with
 * `--immediate-mode` each would fill a slot of the largest packet, and the fifth be lost.
 */
const BUFFER_KIB = 32_768;

/** Captures TCP in the network namespace of a process until stopped. */
export class Capture {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #enter: readonly string[];
  readonly #errors: Promise<string>;

  private constructor(
    child: Bun.Subprocess<"ignore", "pipe", "pipe">,
    enter: readonly string[],
    errors: Promise<string>,
  ) {
    this.#child = child;
    this.#enter = enter;
    this.#errors = errors;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Resolves when packets are being captured. `enter` is the command that enters the namespace, like `nsenter -t 1 -n`. */
  static async start(enter: readonly string[], filter = "tcp"): Promise<Capture> {
    const command = [
      ...enter,
      "tcpdump",
      "-i",
      "any",
      "-U",
      "-B",
      String(BUFFER_KIB),
      "-s",
      "0",
      "-Z",
      "root",
      "-w",
      "-",
      `(${filter}) or (tcp dst port ${LAST_PORT} and host 127.0.0.1)`,
    ];
    const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const errors = child.stderr.getReader();
    let said = "";
    while (!said.includes("listening on")) {
      const { value, done } = await errors.read();
      if (done) throw new Error(`tcpdump did not start: ${said}`);
      said += new TextDecoder().decode(value);
    }
    const rest = (async () => {
      let text = "";
      for (let part = await errors.read(); !part.done; part = await errors.read())
        text += new TextDecoder().decode(part.value);
      return text;
    })();
    return new Capture(child, enter, rest);
  }

  /** Everything that was said before this call. Throws when some of it was not seen. */
  async stop(): Promise<Segment[]> {
    const lastCall = Bun.spawn([...this.#enter, ...LAST_CALL], { stdio: ["ignore", "ignore", "ignore"] });
    const chunks: Uint8Array[] = [];
    let packets: Segment[] = [];
    for await (const chunk of this.#child.stdout) {
      chunks.push(chunk);
      packets = packetsOf(viewOf(Buffer.concat(chunks)));
      if (packets.some(isLastCall)) break;
    }
    await lastCall.exited;
    this.#child.kill("SIGINT");
    await this.#child.exited;
    const errors = await this.#errors;
    if (!packets.some(isLastCall)) throw new Error(`tcpdump ended before it was asked to: ${errors}`);
    if (!/^0 packets dropped by kernel$/m.test(errors)) throw new Error(`The capture has gaps: ${errors}`);
    return packets.filter(hasPayload);
  }
}

function isLastCall({ target }: Segment): boolean {
  return target === `127.0.0.1:${LAST_PORT}`;
}

const LINUX_SLL = 113;
const LINUX_SLL2 = 276;

/** TCP segments with payload out of a pcap file, IPv4 and IPv6. */
export function readPcap(file: DataView): Segment[] {
  return packetsOf(file).filter(hasPayload);
}

function hasPayload({ payload }: Segment): boolean {
  return payload.length > 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** TCP segments out of a pcap file as far as it has been written, those without payload, too. */
function packetsOf(file: DataView): Segment[] {
  if (file.byteLength < 24) return [];
  const isLittle = file.getUint32(0, true) === 0xa1b2c3d4;
  if (!isLittle && file.getUint32(0, false) !== 0xa1b2c3d4) throw new Error("This is not a pcap file");
  const link = file.getUint32(20, isLittle);
  const headerBytes = link === LINUX_SLL ? 16 : link === LINUX_SLL2 ? 20 : 14;
  const segments: Segment[] = [];
  for (let at = 24; at + 16 <= file.byteLength; ) {
    const length = file.getUint32(at + 8, isLittle);
    if (at + 16 + length > file.byteLength) break;
    const segment = readSegment(
      new DataView(file.buffer, file.byteOffset + at + 16 + headerBytes, length - headerBytes),
    );
    if (segment) segments.push(segment);
    at += 16 + length;
  }
  return segments;
}

function readSegment(packet: DataView): Segment | undefined {
  const version = packet.getUint8(0) >> 4;
  if (version === 4) {
    const headerBytes = (packet.getUint8(0) & 15) * 4;
    if (packet.getUint8(9) !== 6) return undefined;
    const total = packet.getUint16(2);
    const ip = (offset: number): string => Array.from({ length: 4 }, (_, i) => packet.getUint8(offset + i)).join(".");
    return readTcp(packet, headerBytes, total, ip(12), ip(16));
  }
  if (version !== 6 || packet.getUint8(6) !== 6) return undefined;
  const ip = (offset: number): string =>
    `[${Array.from({ length: 8 }, (_, i) => packet.getUint16(offset + i * 2).toString(16)).join(":")}]`;
  return readTcp(packet, 40, 40 + packet.getUint16(4), ip(8), ip(24));
}

function readTcp(packet: DataView, at: number, end: number, source: string, target: string): Segment {
  const payloadAt = at + (packet.getUint8(at + 12) >> 4) * 4;
  return {
    source: `${source}:${packet.getUint16(at)}`,
    target: `${target}:${packet.getUint16(at + 2)}`,
    sequence: packet.getUint32(at + 4),
    payload: new Uint8Array(
      packet.buffer,
      packet.byteOffset + payloadAt,
      Math.max(0, Math.min(end, packet.byteLength) - payloadAt),
    ),
  };
}

/** Each direction's bytes in order, once (an "any" capture sees a packet on several interfaces). */
export function flows(segments: readonly Segment[]): Map<string, Uint8Array> {
  const bySender = new Map<string, Map<number, Uint8Array>>();
  for (const { source, target, sequence, payload } of segments) {
    const key = `${source} > ${target}`;
    const flow = bySender.get(key) ?? new Map<number, Uint8Array>();
    bySender.set(key, flow);
    if ((flow.get(sequence)?.length ?? 0) < payload.length) flow.set(sequence, payload);
  }
  const joined = new Map<string, Uint8Array>();
  for (const [key, flow] of bySender) {
    const parts = [...flow].sort(([a], [b]) => (a - b) << 0).map(([, payload]) => payload);
    joined.set(key, Buffer.concat(parts));
  }
  return joined;
}

/** What the server of each TLS connection to `port` chose. */
export function handshakesFrom(segments: readonly Segment[], port: number): TlsHandshake[] {
  const found: TlsHandshake[] = [];
  for (const [key, bytes] of flows(segments)) {
    if (!key.split(" > ")[0].endsWith(`:${port}`)) continue;
    const handshake = readTlsHandshake(bytes);
    if (handshake) found.push(handshake);
  }
  return found;
}

/** True when any direction of any connection carries these bytes in the clear. */
export function carries(segments: readonly Segment[], text: string): boolean {
  return [...flows(segments).values()].some((bytes) => Buffer.from(bytes).includes(text));
}
