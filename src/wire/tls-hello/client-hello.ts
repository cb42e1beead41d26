/**
 * What the first bytes of a connection are:
 * `more` - a ClientHello so far, but not all of it; `other` - not a ClientHello we can read, never will be;
 * `hello` - a whole one. `sni` is lower-case and a valid DNS name, or undefined when none was sent.
 */
export type ClientHello =
  | { readonly kind: "more" }
  | { readonly kind: "other" }
  | { readonly kind: "hello"; readonly sni: string | undefined; readonly alpn: readonly string[] };

/**
 * Reads a ClientHello that lies in one TLS record (RFC 8446 §4.1.2, §5.1), as every client sends it that fits 16 KiB.
 * `other` as soon as a byte is wrong, so plaintext is known by its first byte; bytes behind the record are not looked at.
 */
export function readClientHello(bytes: Uint8Array): ClientHello {
  if (!isPrefixOfHello(bytes)) return OTHER;
  if (bytes.length < HEADER_BYTES) return MORE;
  const recordLength = (bytes[3] << 8) | bytes[4];
  const helloLength = (bytes[7] << 8) | bytes[8];
  if (recordLength > MAX_RECORD_BYTES || helloLength + 4 !== recordLength) return OTHER;
  if (bytes.length < 5 + recordLength) return MORE;
  return readBody(new Cursor(bytes, HEADER_BYTES, 5 + recordLength));
}

/** Record type 22, version 3.1 or 3.3 (old stacks say 3.1), handshake type 1, top byte of a 24-bit length 0. */
function isPrefixOfHello(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length && at < HEADER_BYTES; at++) {
    const byte = bytes[at];
    if (at === 0 && byte !== 0x16) return false;
    if (at === 1 && byte !== 3) return false;
    if (at === 2 && byte !== 1 && byte !== 3) return false;
    if (at === 5 && byte !== 1) return false;
    if (at === 6 && byte !== 0) return false;
  }
  return true;
}

function readBody(hello: Cursor): ClientHello {
  hello.skip(2 + 32); // legacy_version, random
  hello.skip(hello.uint8()); // legacy_session_id
  hello.skip(hello.uint16()); // cipher_suites
  hello.skip(hello.uint8()); // legacy_compression_methods
  if (!hello.isSound) return OTHER;
  if (hello.isAtEnd) return { kind: "hello", sni: undefined, alpn: [] }; // no extensions: TLS 1.0 to 1.2
  const extensions = hello.part(hello.uint16());
  return hello.isSound && hello.isAtEnd ? readExtensions(extensions) : OTHER;
}

function readExtensions(extensions: Cursor): ClientHello {
  const seen = new Set<number>();
  let sni: string | undefined;
  let alpn: readonly string[] = [];
  while (!extensions.isAtEnd) {
    const type = extensions.uint16();
    const data = extensions.part(extensions.uint16());
    if (!extensions.isSound || seen.has(type)) return OTHER; // RFC 8446 §4.2: not two of a type
    seen.add(type);
    if (type === SERVER_NAME) {
      sni = readServerName(data);
      if (sni === undefined) return OTHER;
    } else if (type === ALPN) {
      const names = readAlpn(data);
      if (names === undefined) return OTHER;
      alpn = names;
    }
  }
  return { kind: "hello", sni, alpn };
}

/** RFC 6066 §3: a list that holds one host_name. */
function readServerName(data: Cursor): string | undefined {
  const list = data.part(data.uint16());
  const type = list.uint8();
  const name = list.part(list.uint16()).text();
  if (!data.isSound || !data.isAtEnd || !list.isSound || !list.isAtEnd || type !== HOST_NAME) return undefined;
  const lower = name.toLowerCase();
  return lower.length <= MAX_NAME_LENGTH && DNS_NAME.test(lower) ? lower : undefined;
}

/** RFC 7301 §3.1. Names are opaque bytes; they are given as text, one character per byte. */
function readAlpn(data: Cursor): string[] | undefined {
  const list = data.part(data.uint16());
  if (!data.isSound || !data.isAtEnd || list.isAtEnd) return undefined;
  const names: string[] = [];
  while (!list.isAtEnd) {
    const name = list.part(list.uint8()).text();
    if (!list.isSound || name === "") return undefined;
    names.push(name);
  }
  return names;
}

/** Reads forward within bounds. Beyond them it reads zeros and is no longer sound. */
class Cursor {
  isSound = true;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  uint8(): number {
    return this.#take(1) ? this.#bytes[this.#at - 1] : 0;
  }

  uint16(): number {
    return this.#take(2) ? (this.#bytes[this.#at - 2] << 8) | this.#bytes[this.#at - 1] : 0;
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** The next `count` bytes as a cursor of their own; an unsound empty one when they are not there. */
  part(count: number): Cursor {
    const from = this.#at;
    const part = new Cursor(this.#bytes, from, this.#take(count) ? from + count : from);
    part.isSound = this.isSound;
    return part;
  }

  /** What is left, one character per byte. */
  text(): string {
    return Buffer.from(this.#bytes.subarray(this.#at, this.#end)).toString("latin1");
  }

  #take(count: number): boolean {
    if (this.#at + count > this.#end) {
      this.isSound = false;
      this.#at = this.#end;
      return false;
    }
    this.#at += count;
    return true;
  }
}

const MORE: ClientHello = { kind: "more" };
const OTHER: ClientHello = { kind: "other" };

/** Record header (5) and handshake header (4). */
const HEADER_BYTES = 9;
/** RFC 8446 §5.1: 2^14. */
const MAX_RECORD_BYTES = 16_384;
const MAX_NAME_LENGTH = 253;
/** Letters, digits, hyphens and underscores in labels of 1 to 63; RFC 6066 forbids the trailing dot. */
const DNS_NAME = /^(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*$/;

const SERVER_NAME = 0;
const ALPN = 16;
const HOST_NAME = 0;
