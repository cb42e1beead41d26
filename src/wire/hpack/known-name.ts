import { KNOWN } from "#fields";
import { internNameForever, type Name } from "./entry.ts";

/**
 * Finds names that matter (known to the proxy, or with a role) by their bytes, without making a string: literal names
 * are the common case from peers that encode without a table. Null for every other name.
 */
export function knownName(bytes: Uint8Array, from: number, to: number): Name | null {
  const length = to - from;
  if (length === 0) return null;
  for (let row = BUCKETS[hash(length, bytes[from], bytes[to - 1])]; row !== undefined; row = row.next) {
    if (row.name.bytes.length === length && isSame(row.name.bytes, bytes, from)) return row.name;
  }
  return null;
}

interface Row {
  readonly name: Name;
  readonly next: Row | undefined;
}

const ROLED = [":method", ":scheme", ":authority", ":path", ":status", "cookie"];
const BUCKETS: (Row | undefined)[] = build();

function build(): (Row | undefined)[] {
  const buckets: (Row | undefined)[] = new Array(256).fill(undefined);
  for (const text of new Set([...ROLED, ...KNOWN])) {
    if (text === "") continue;
    const name = internNameForever(text);
    const slot = hash(text.length, name.bytes[0], name.bytes[text.length - 1]);
    buckets[slot] = { name, next: buckets[slot] };
  }
  return buckets;
}

function hash(length: number, first: number, last: number): number {
  return (length * 31 + first * 7 + last * 3) & 0xff;
}

function isSame(name: Uint8Array, bytes: Uint8Array, from: number): boolean {
  for (let at = 0; at < name.length; at++) if (name[at] !== bytes[from + at]) return false;
  return true;
}
