import { Header } from "#proto/transport_header";

export interface TransportHeader {
  /** Target port, 1 to 65535. */
  readonly port: number;
  /** DNS name behind a gateway; empty: this host. */
  readonly name: string;
  /** What follows; undefined: opaque bytes. */
  readonly session: "http1" | "http2" | undefined;
}

/** `more` - a header so far, but not all of it; `bad` - it will never be one; `header` - `byteCount` bytes of the input were it. */
export type TransportHeaderReading =
  | { readonly kind: "more" }
  | { readonly kind: "bad"; readonly why: string }
  | { readonly kind: "header"; readonly header: TransportHeader; readonly byteCount: number };

/** The largest header that is read, with its preface. */
export const MAX_TRANSPORT_HEADER_BYTES = 65_536;

/** Preface, length (32 bits, big-endian), message. */
export function encodeTransportHeader(header: TransportHeader): Uint8Array {
  const message = Header.encode({
    port: header.port,
    name: header.name,
    sessionProtocol: header.session && { kind: { $case: header.session, value: {} } },
  }).finish();
  const bytes = Buffer.alloc(PREFIX_BYTES + message.length);
  bytes.set(PREFACE);
  bytes.writeUInt32BE(message.length, PREFACE.length);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}

/** Reads a header from the first bytes of a connection. A byte that cannot belong to one is known as soon as it is there. */
export function readTransportHeader(bytes: Uint8Array): TransportHeaderReading {
  for (let at = 0; at < bytes.length && at < PREFACE.length; at++) {
    if (bytes[at] !== PREFACE[at]) return bad("the preface is missing");
  }
  if (bytes.length < PREFIX_BYTES) return MORE;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(PREFACE.length);
  const byteCount = PREFIX_BYTES + length;
  if (byteCount > MAX_TRANSPORT_HEADER_BYTES) return bad(`its length is ${length}, beyond the limit`);
  if (bytes.length < byteCount) return MORE;
  return readMessage(bytes.subarray(PREFIX_BYTES, byteCount), byteCount);
}

function readMessage(bytes: Uint8Array, byteCount: number): TransportHeaderReading {
  let message: Header;
  try {
    message = Header.decode(bytes);
  } catch {
    return bad("its message is no valid protobuf");
  }
  const { port, name, sessionProtocol } = message;
  if (port < 1 || port > 65_535) return bad(`its port is ${port}`);
  if (name !== "" && (name.length > MAX_NAME_LENGTH || !DNS_NAME.test(name))) return bad("its name is no DNS name");
  // A protocol newer than this reader: it must not be taken for opaque bytes.
  if (sessionProtocol !== undefined && sessionProtocol.kind === undefined)
    return bad("its session protocol is unknown");
  return {
    kind: "header",
    header: { port, name: name.toLowerCase(), session: sessionProtocol?.kind?.$case },
    byteCount,
  };
}

function bad(why: string): TransportHeaderReading {
  return { kind: "bad", why: `Cannot read the transport header: ${why}` };
}

const MORE: TransportHeaderReading = { kind: "more" };
const PREFACE = Buffer.from("transport.l5d.io/v1\r\n\r\n");
/** Preface (23) and length (4). */
const PREFIX_BYTES = PREFACE.length + 4;
const MAX_NAME_LENGTH = 253;
const DNS_NAME = /^[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i;
