import { StatusError } from "../store/status.ts";
import { KINDS, type MessageSpec } from "./protobuf-table.ts";

const MAGIC = [0x6b, 0x38, 0x73, 0x00]; // "k8s\0"
/** Deeper bodies are refused. */
const MAX_DEPTH = 32;

/**
 * Reads a body in Kubernetes' protobuf envelope (`k8s\0`, then runtime.Unknown) as the JSON object it stands for.
 * Kinds that the table does not describe are refused with UnsupportedMediaType.
 */
export function decodeProtobuf(body: Uint8Array): Record<string, unknown> {
  if (body.length < 4 || MAGIC.some((byte, i) => body[i] !== byte))
    throw malformed("it does not start with the bytes 6b 38 73 00");
  const unknown = readMessage(body.subarray(4), ENVELOPE, 0);
  const typeMeta = (unknown["typeMeta"] ?? {}) as { apiVersion?: string; kind?: string };
  const raw = unknown["raw"];
  const { apiVersion = "", kind = "" } = typeMeta;
  const spec = KINDS[kind];
  if (!spec)
    throw new StatusError(
      "UnsupportedMediaType",
      `the body of the request was in an unknown format: protobuf of ${kind || "no kind"} is not supported here, send application/json`,
    );
  const object = raw instanceof Uint8Array ? readMessage(raw, spec, 0) : {};
  return { apiVersion, kind, ...object };
}

const ENVELOPE: MessageSpec = {
  1: { name: "typeMeta", type: { 1: { name: "apiVersion", type: "string" }, 2: { name: "kind", type: "string" } } },
  2: { name: "raw", type: "bytes" },
};

class Reader {
  at = 0;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw malformed("a number is cut off");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw malformed("a number is longer than 10 bytes");
  }

  chunk(): Uint8Array {
    const length = Number(this.varint());
    const end = this.at + length;
    if (length < 0 || end > this.bytes.length) throw malformed("a field is longer than the message");
    const part = this.bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.at += 8;
    else if (wire === 2) this.chunk();
    else if (wire === 5) this.at += 4;
    else throw malformed(`wire type ${wire} is not used`);
    if (this.at > this.bytes.length) throw malformed("a field is cut off");
  }
}

function readMessage(bytes: Uint8Array, spec: MessageSpec, depth: number): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw malformed(`it nests deeper than ${MAX_DEPTH}`);
  const reader = new Reader(bytes);
  const result: Record<string, unknown> = {};
  while (reader.at < bytes.length) {
    const tag = Number(reader.varint());
    const field = spec[tag >>> 3];
    if (!field || field.type === "ignored") {
      const from = reader.at;
      reader.skip(tag & 7);
      if (!field && !isEmptyField(bytes, from, reader.at)) throw unknownField(tag >>> 3);
      continue;
    }
    const value = readValue(reader, tag & 7, field.type, depth);
    if (value === undefined) continue;
    if (field.isMap) result[field.name] = { ...(result[field.name] as object), ...(value as object) };
    else if (field.isList) result[field.name] = [...((result[field.name] as unknown[]) ?? []), value];
    else result[field.name] = value;
  }
  return dropEmpty(result, spec);
}

function readValue(reader: Reader, wire: number, type: MessageSpec[number]["type"], depth: number): unknown {
  if (type === "int" || type === "bool") {
    if (wire !== 0) throw malformed("a number has the wrong wire type");
    const value = reader.varint();
    return type === "int" ? Number(value) : value !== 0n;
  }
  if (wire !== 2) throw malformed("a text or message has the wrong wire type");
  const chunk = reader.chunk();
  switch (type) {
    case "ignored":
      return undefined;
    case "string":
      return Buffer.from(chunk).toString("utf8");
    case "bytes":
      return chunk;
    case "base64":
      return Buffer.from(chunk).toString("base64");
    case "time": {
      const { seconds = 0, nanos = 0 } = readMessage(chunk, TIME, depth + 1) as { seconds?: number; nanos?: number };
      return seconds || nanos ? `${new Date(seconds * 1_000).toISOString().slice(0, 19)}Z` : undefined;
    }
    case "quantity":
      return (readMessage(chunk, { 1: { name: "text", type: "string" } }, depth + 1) as { text?: string }).text;
    case "int-or-string": {
      const value = readMessage(chunk, INT_OR_STRING, depth + 1) as { type?: number; int?: number; text?: string };
      return value.type === 1 ? (value.text ?? "") : (value.int ?? 0);
    }
    case "string-map":
      return readEntry(chunk, "string", depth);
    case "base64-map":
      return readEntry(chunk, "base64", depth);
    case "quantity-map":
      return readEntry(chunk, "quantity", depth);
    case "list-map":
      return readEntry(chunk, { 1: { name: "items", type: "string", isList: true } }, depth);
    default:
      return readMessage(chunk, type, depth + 1);
  }
}

const TIME: MessageSpec = { 1: { name: "seconds", type: "int" }, 2: { name: "nanos", type: "int" } };
const INT_OR_STRING: MessageSpec = {
  1: { name: "type", type: "int" },
  2: { name: "int", type: "int" },
  3: { name: "text", type: "string" },
};

function readEntry(chunk: Uint8Array, type: MessageSpec[number]["type"], depth: number): Record<string, unknown> {
  const entry = readMessage(chunk, { 1: { name: "key", type: "string" }, 2: { name: "value", type } }, depth + 1);
  const value = entry["value"] ?? "";
  const key = String(entry["key"] ?? "");
  if (key === "__proto__") return {};
  return { [key]: typeof value === "object" && value !== null && "items" in value ? value.items : value };
}

/** Go's encoder writes zeros and empty messages too; only a field that says something may not be lost. */
function isEmptyField(bytes: Uint8Array, from: number, to: number): boolean {
  return to - from === 1 && bytes[from] === 0;
}

function unknownField(tag: number): StatusError {
  return new StatusError(
    "UnsupportedMediaType",
    `the body of the request was in an unknown format: protobuf field ${tag} is not supported here, send application/json`,
  );
}

/** Go's encoder writes empty texts and zero numbers of non-pointer fields; JSON leaves them out. */
function dropEmpty(object: Record<string, unknown>, spec: MessageSpec): Record<string, unknown> {
  for (const field of Object.values(spec))
    if (object[field.name] === "" && !field.keepsEmpty) delete object[field.name];
  for (const field of Object.values(spec)) if (object[field.name] === 0 && field.dropsZero) delete object[field.name];
  return object;
}

function malformed(why: string): StatusError {
  return StatusError.badRequest(`Cannot read the protobuf body: ${why}`);
}
