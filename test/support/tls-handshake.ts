/** What a TLS server chose, as its ServerHello says in the clear (RFC 8446 §4.1.3). */
export interface TlsHandshake {
  /** 0x0304 is TLS 1.3. */
  readonly version: number;
  /** Named group of the key share; 0x11ec is X25519MLKEM768. */
  readonly group: number;
}

export const TLS_1_3 = 0x0304;
export const X25519MLKEM768 = 0x11ec;
const HANDSHAKE = 22;
const SERVER_HELLO = 2;
const SUPPORTED_VERSIONS = 43;
const KEY_SHARE = 51;

/** Reads the ServerHello at the start of a server's bytes; undefined when they are not TLS or do not begin with one. */
export function readTlsHandshake(bytes: Uint8Array): TlsHandshake | undefined {
  if (bytes.length < 49 || bytes[0] !== HANDSHAKE || bytes[5] !== SERVER_HELLO) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 5 + 4 + 2 + 32; // record, handshake header, legacy version, random
  at += 1 + view.getUint8(at); // session id
  at += 3; // cipher suite, compression
  const end = Math.min(at + 2 + view.getUint16(at), bytes.length);
  at += 2;
  let version = view.getUint16(9);
  let group = 0;
  while (at + 4 <= end) {
    const type = view.getUint16(at);
    const length = view.getUint16(at + 2);
    if (type === SUPPORTED_VERSIONS) version = view.getUint16(at + 4);
    if (type === KEY_SHARE) group = view.getUint16(at + 4);
    at += 4 + length;
  }
  return { version, group };
}
