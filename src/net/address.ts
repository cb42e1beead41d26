/** An IP address and port. `ip` is canonical text: dotted IPv4 (also when it came mapped into IPv6), or compressed lower-case IPv6. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** `1.2.3.4:80` or `[fd00::1]:80`. */
export function formatAddress(address: SocketAddress): string {
  return address.ip.includes(":") ? `[${address.ip}]:${address.port}` : `${address.ip}:${address.port}`;
}

/** Reads `1.2.3.4:80` or `[fd00::1]:80`; undefined when it is neither. */
export function parseAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|(\d+\.\d+\.\d+\.\d+)):(\d{1,5})$/.exec(text.trim());
  if (!match) return undefined;
  const bytes = parseIp(match[1] ?? match[2]);
  const port = Number(match[3]);
  return bytes && port <= 65535 ? { ip: formatIp(bytes), port } : undefined;
}

/** The 4 or 16 bytes of an IP literal (IPv4-mapped IPv6 gives 4); undefined when it is not one. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Canonical text of an IP literal, or undefined. */
export function canonicalIp(text: string): string | undefined {
  const bytes = parseIp(text);
  return bytes && formatIp(bytes);
}

/** Canonical text of 4 or 16 bytes; IPv4-mapped IPv6 is written as IPv4. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i] << 8) | bytes[i + 1]);
  const run = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

/** 127.0.0.0/8 or ::1. */
export function isLoopback(ip: string): boolean {
  return ip === "::1" || (ip.startsWith("127.") && !ip.includes(":"));
}

/** A CIDR block. IPv4 blocks never contain IPv6 addresses and the other way round. */
export class IpNetwork {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;

  constructor(bytes: Uint8Array, prefixLength: number) {
    this.bytes = bytes;
    this.prefixLength = prefixLength;
  }

  /** Reads `10.0.0.0/8`; a bare address is a block of one. */
  static parse(text: string): IpNetwork | undefined {
    const [ip, length, ...rest] = text.trim().split("/");
    const bytes = parseIp(ip);
    if (!bytes || rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined;
    const prefixLength = length === undefined ? bytes.length * 8 : Number(length);
    return prefixLength <= bytes.length * 8 ? new IpNetwork(bytes, prefixLength) : undefined;
  }

  contains(ip: Uint8Array): boolean {
    if (ip.length !== this.bytes.length) return false;
    const whole = this.prefixLength >> 3;
    for (let i = 0; i < whole; i++) if (ip[i] !== this.bytes[i]) return false;
    const restBits = this.prefixLength & 7;
    return restBits === 0 || ((ip[whole] ^ this.bytes[whole]) & (0xff00 >> restBits) & 0xff) === 0;
  }
}

function parseIpv4(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const value = Number(match[i + 1]);
    if (value > 255) return undefined;
    bytes[i] = value;
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0]);
  const tail = halves.length === 2 ? groupsOf(halves[1]) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[i * 2] = group >> 8;
    bytes[i * 2 + 1] = group & 255;
  });
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const dotted = index === parts.length - 1 && part.includes(".") ? parseIpv4(part) : undefined;
    if (dotted) groups.push((dotted[0] << 8) | dotted[1], (dotted[2] << 8) | dotted[3]);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 255 && bytes[11] === 255;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
