/**
 * Which bytes a field name or value may hold once it has left HPACK: the gate against smuggling through an HTTP/2 to
 * HTTP/1 downgrade (RFC 9113 §8.2.1, RFC 9110 §5.1 and §5.5).
 */
const TOKEN = table("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");
const METHOD = table("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
/** Tab, visible ASCII, space and bytes from 0x80 on. */
const VALUE = range(0x20, 0x7e, range(0x80, 0xff, table("\t")));
/** Visible ASCII and bytes from 0x80 on; `#` never travels in a target. */
const TARGET = without("#", range(0x21, 0x7e, range(0x80, 0xff, table(""))));
const AUTHORITY = table("-._~!$&'()*+,;=:%[]0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

/** RFC 9113 §8.2.1: a lower-case token. Pseudo-field names are told apart before. */
export function isFieldName(bytes: Uint8Array, from: number, to: number): boolean {
  return from < to && isAll(TOKEN, bytes, from, to);
}

/** RFC 9113 §8.2.1: no NUL, CR or LF (here: no control at all but tab), and no space or tab at either end. */
export function isFieldValue(bytes: Uint8Array, from: number, to: number): boolean {
  if (from === to) return true;
  if (isBlank(bytes[from]) || isBlank(bytes[to - 1])) return false;
  return isAll(VALUE, bytes, from, to);
}

export function isMethod(bytes: Uint8Array, from: number, to: number): boolean {
  return from < to && isAll(METHOD, bytes, from, to);
}

/** A path with query. RFC 9113 §8.3.1: not empty, begins with `/`; `*` is for OPTIONS alone, which the caller checks. */
export function isPath(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from === 1 && bytes[from] === 0x2a) return true;
  return from < to && bytes[from] === 0x2f && isAll(TARGET, bytes, from, to);
}

/** Host with optional port, or nothing. User information (`@`) is refused: RFC 9113 §8.3.1. */
export function isAuthority(bytes: Uint8Array, from: number, to: number): boolean {
  return isAll(AUTHORITY, bytes, from, to);
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}

function isAll(allowed: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (allowed[bytes[at]] === 0) return false;
  return true;
}

function table(characters: string): Uint8Array {
  const allowed = new Uint8Array(256);
  for (const character of characters) allowed[character.charCodeAt(0)] = 1;
  return allowed;
}

function range(first: number, last: number, allowed: Uint8Array): Uint8Array {
  return allowed.fill(1, first, last + 1);
}

function without(characters: string, allowed: Uint8Array): Uint8Array {
  for (const character of characters) allowed[character.charCodeAt(0)] = 0;
  return allowed;
}
