/** DNS messages, as much as a cluster's resolver needs (RFC 1035; SRV by RFC 2782; EDNS size by RFC 6891). Pure. */
export const RecordType = { A: 1, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, OPT: 41, ANY: 255 } as const;
export const ResponseCode = { ok: 0, formatError: 1, nameError: 3, notImplemented: 4, refused: 5 } as const;

export interface Question {
  readonly id: number;
  /** Lower case, without the closing dot. */
  readonly name: string;
  /** The name's bytes as they were sent: answers repeat them (some resolvers mix the case on purpose). */
  readonly rawName: Uint8Array;
  readonly type: number;
  readonly isRecursionDesired: boolean;
  /** Largest answer the client takes over UDP. */
  readonly maxBytes: number;
}

export type RecordData =
  | { readonly type: "A"; readonly address: string }
  | { readonly type: "CNAME" | "PTR"; readonly target: string }
  | {
      readonly type: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    };

export interface ResourceRecord {
  readonly name: string;
  readonly ttlSeconds: number;
  readonly data: RecordData;
}

export interface Answer {
  readonly code: number;
  readonly answers: readonly ResourceRecord[];
  readonly additional: readonly ResourceRecord[];
}

const HEADER_BYTES = 12;
const MIN_UDP_BYTES = 512;
const MAX_UDP_BYTES = 4096;
const NEGATIVE_TTL_SECONDS = 1; // a name that does not exist yet will in a moment

/** Reads a query with one question; undefined when the bytes are not one (no answer is due then). */
export function readQuestion(bytes: Uint8Array): Question | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  if ((flags & 0x8000) !== 0 || view.getUint16(4) !== 1) return undefined; // an answer, or not one question
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined; // compression has no place in a question
    at++;
    if (length === 0) break;
    if (at + length > bytes.length || labels.length > 127) return undefined;
    labels.push(Buffer.from(bytes.subarray(at, at + length)).toString("latin1"));
    at += length;
  }
  if (at + 4 > bytes.length) return undefined;
  return {
    id: view.getUint16(0),
    name: labels.join(".").toLowerCase(),
    rawName: bytes.slice(HEADER_BYTES, at),
    type: view.getUint16(at),
    isRecursionDesired: (flags & 0x0100) !== 0,
    maxBytes: udpSize(bytes, view, at + 4),
  };
}

/** The size a client announces in its OPT record, when that is the first record after the question. */
function udpSize(bytes: Uint8Array, view: DataView, at: number): number {
  const isOpt =
    view.getUint16(10) > 0 && bytes.length >= at + 11 && bytes[at] === 0 && view.getUint16(at + 1) === RecordType.OPT;
  return isOpt ? Math.min(Math.max(view.getUint16(at + 3), MIN_UDP_BYTES), MAX_UDP_BYTES) : MIN_UDP_BYTES;
}

/** The answer's bytes; over UDP cut to an empty one with the TC bit when it is too long, so that the client asks over TCP. */
export function writeAnswer(question: Question, answer: Answer, maxBytes: number): Uint8Array {
  const full = encode(question, answer, false);
  return full.length <= maxBytes ? full : encode(question, { code: answer.code, answers: [], additional: [] }, true);
}

function encode(question: Question, answer: Answer, isTruncated: boolean): Uint8Array {
  const needsSoa = answer.answers.length === 0 && !isTruncated;
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(question.id, 0);
  // Answer, authoritative, recursion available; truncated and recursion desired as they are.
  const flags = 0x8480 | (isTruncated ? 0x0200 : 0) | (question.isRecursionDesired ? 0x0100 : 0) | answer.code;
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answer.answers.length, 6);
  header.writeUInt16BE(needsSoa ? 1 : 0, 8);
  header.writeUInt16BE(answer.additional.length, 10);
  const asked = Buffer.alloc(4);
  asked.writeUInt16BE(question.type, 0);
  asked.writeUInt16BE(1, 2);
  const records = [...answer.answers.map(record), ...(needsSoa ? [soa()] : []), ...answer.additional.map(record)];
  return new Uint8Array(Buffer.concat([header, question.rawName, asked, ...records]));
}

function record({ name, ttlSeconds, data }: ResourceRecord): Buffer {
  return rawRecord(name, RecordType[data.type], ttlSeconds, payload(data));
}

function payload(data: RecordData): Buffer {
  if (data.type === "A") return Buffer.from(data.address.split(".").map(Number));
  if (data.type !== "SRV") return encodeName(data.target);
  const head = Buffer.alloc(6);
  head.writeUInt16BE(data.priority, 0);
  head.writeUInt16BE(data.weight, 2);
  head.writeUInt16BE(data.port, 4);
  return Buffer.concat([head, encodeName(data.target)]);
}

/** Its last number is how long clients may remember that there was nothing (RFC 2308 §4). */
function soa(): Buffer {
  const times = Buffer.alloc(20);
  [1, 7200, 1800, 86400, NEGATIVE_TTL_SECONDS].forEach((value, index) => void times.writeUInt32BE(value, index * 4));
  const names = [encodeName("ns.dns.cluster.local"), encodeName("hostmaster.cluster.local")];
  return rawRecord("cluster.local", RecordType.SOA, NEGATIVE_TTL_SECONDS, Buffer.concat([...names, times]));
}

function rawRecord(name: string, type: number, ttlSeconds: number, data: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(ttlSeconds, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([encodeName(name), head, data]);
}

function encodeName(name: string): Buffer {
  const labels = name.split(".").filter(Boolean);
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}
