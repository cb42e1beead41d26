import { HOST } from "./classes.ts";

/**
 * `host[:port]` as RFC 3986 §3.2 without user information: a registered name or IPv4 address, or `[IPv6]`.
 * An empty text is not an authority; the port must be 0 to 65535 and may be empty (`host:`).
 */
export function isAuthority(bytes: Uint8Array, from: number, to: number): boolean {
  const hostEnd = bytes[from] === 0x5b ? ipLiteralEnd(bytes, from, to) : nameEnd(bytes, from, to);
  if (hostEnd <= from) return false;
  return hostEnd === to || (bytes[hostEnd] === 0x3a && isPort(bytes, hostEnd + 1, to));
}

/** Authority-form (RFC 9112 §3.2.3): the port is not optional. */
export function isAuthorityWithPort(bytes: Uint8Array, from: number, to: number): boolean {
  let digits = to;
  while (digits > from && bytes[digits - 1] >= 0x30 && bytes[digits - 1] <= 0x39) digits--;
  return digits < to && bytes[digits - 1] === 0x3a && isAuthority(bytes, from, to);
}

/** Length of a leading `http://` or `https://` in any case, or 0. */
export function schemeLength(bytes: Uint8Array, from: number, to: number): number {
  if (startsWith(bytes, from, to, "http://")) return 7;
  return startsWith(bytes, from, to, "https://") ? 8 : 0;
}

/** Where the authority that begins at `from` ends: at `/`, `?` or the end. */
export function authorityEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== 0x2f && bytes[at] !== 0x3f) at++;
  return at;
}

/** Compares ASCII case-insensitively. */
export function sameText(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  if (aEnd - a !== bEnd - b) return false;
  for (; a < aEnd; a++, b++) if (fold(bytes[a]) !== fold(bytes[b])) return false;
  return true;
}

function startsWith(bytes: Uint8Array, from: number, to: number, lower: string): boolean {
  if (to - from < lower.length) return false;
  for (let i = 0; i < lower.length; i++) if (fold(bytes[from + i]) !== lower.charCodeAt(i)) return false;
  return true;
}

function fold(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function nameEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && HOST[bytes[at]] === 1) at++;
  return at;
}

/** Behind the `]`, or -1. Addresses are checked by their characters; what they mean is the resolver's matter. */
function ipLiteralEnd(bytes: Uint8Array, from: number, to: number): number {
  let at = from + 1;
  while (at < to && isIpv6Byte(bytes[at])) at++;
  return at < to && at > from + 2 && bytes[at] === 0x5d ? at + 1 : -1;
}

function isIpv6Byte(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x3a) || byte === 0x2e || (fold(byte) >= 0x61 && fold(byte) <= 0x66);
}

function isPort(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from > 5) return false;
  let port = 0;
  for (let at = from; at < to; at++) {
    if (bytes[at] < 0x30 || bytes[at] > 0x39) return false;
    port = port * 10 + bytes[at] - 0x30;
  }
  return port <= 65535;
}
