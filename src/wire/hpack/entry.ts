import { idOf } from "#fields";
import { isAuthority, isFieldValue, isMethod, isPath } from "./syntax.ts";

/** What a name means to the message it stands in. Everything else is `ROLE_PLAIN`. */
export const ROLE_PLAIN = 0;
export const ROLE_METHOD = 1;
export const ROLE_SCHEME = 2;
export const ROLE_AUTHORITY = 3;
export const ROLE_PATH = 4;
export const ROLE_STATUS = 5;
/** Begins with a colon but is none of the five: RFC 9113 §8.3 makes the message malformed. */
export const ROLE_UNKNOWN_PSEUDO = 6;
/** Speaks of one HTTP/1 connection; malformed in HTTP/2 (RFC 9113 §8.2.2). */
export const ROLE_CONNECTION = 7;
export const ROLE_TE = 8;
export const ROLE_CONTENT_LENGTH = 9;
export const ROLE_HOST = 10;
export const ROLE_COOKIE = 11;
export const ROLE_EXPECT = 12;

const ROLES = new Map<string, number>([
  [":method", ROLE_METHOD],
  [":scheme", ROLE_SCHEME],
  [":authority", ROLE_AUTHORITY],
  [":path", ROLE_PATH],
  [":status", ROLE_STATUS],
  ["connection", ROLE_CONNECTION],
  ["keep-alive", ROLE_CONNECTION],
  ["proxy-connection", ROLE_CONNECTION],
  ["transfer-encoding", ROLE_CONNECTION],
  ["upgrade", ROLE_CONNECTION],
  ["te", ROLE_TE],
  ["content-length", ROLE_CONTENT_LENGTH],
  ["host", ROLE_HOST],
  ["cookie", ROLE_COOKIE],
  ["expect", ROLE_EXPECT],
]);

/** A field name that tables know, with everything that can be told from it once. */
export class Name {
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Position in `KNOWN` of `#fields`. */
  readonly id: number;
  readonly role: number;
  /** First row of the static table with this name, or 0. */
  staticIndex = 0;
  /** A lower-case token or a pseudo-field; otherwise every message that holds it is malformed. */
  readonly isValid: boolean;
  /** Interned entries by value. */
  readonly values = new Map<string, Entry>();

  constructor(text: string, isValid: boolean) {
    this.text = text;
    this.bytes = Buffer.from(text, "latin1");
    this.id = idOf(text);
    this.role = ROLES.get(text) ?? (text.startsWith(":") ? ROLE_UNKNOWN_PSEUDO : ROLE_PLAIN);
    this.isValid = isValid;
  }
}

/**
 * One name with one value, as HPACK tables hold them. Immutable and shared by all connections, so that a field that
 * came in by index can go out by index, compared by identity and without touching its text.
 */
export class Entry {
  readonly name: Name;
  readonly value: string;
  /** Name then value, ready to be copied behind other fields. */
  readonly bytes: Uint8Array;
  /** RFC 7541 §4.1: name, value and 32. */
  readonly size: number;
  /** Name and value are such as a message may hold (`isValueOf`). */
  readonly isValid: boolean;
  /** Row of the static table that is exactly this, or 0. */
  staticIndex = 0;

  constructor(name: Name, value: string, isValid: boolean) {
    this.name = name;
    this.value = value;
    this.bytes = Buffer.from(name.text + value, "latin1");
    this.size = this.bytes.length + 32;
    this.isValid = isValid;
  }
}

/**
 * Whether a value may stand behind a name of this role. Asked once per table entry and once per literal, so that heads
 * built from entries cost nothing to check.
 */
export function isValueOf(role: number, bytes: Uint8Array, from: number, to: number): boolean {
  if (!isFieldValue(bytes, from, to)) return false;
  if (role !== ROLE_METHOD && role !== ROLE_PATH && role !== ROLE_AUTHORITY) return true;
  if (role === ROLE_METHOD) return isMethod(bytes, from, to);
  return role === ROLE_PATH ? isPath(bytes, from, to) : isAuthority(bytes, from, to);
}

/** Stands in `Fields.entries` for a field whose sender forbade indexing (RFC 7541 §7.1.3); it is passed on so. */
export const NEVER_INDEXED: object = Object.freeze({ neverIndexed: true });

/**
 * Interned entries of this process: at most 4096 and 1 MiB of text, names at most 1024. When full, all but the static
 * table is forgotten; entries in use stay valid, they only stop being equal to newcomers until those are seen again.
 */
const MAX_ENTRIES = 4096;
const MAX_BYTES = 1 << 20;
const MAX_NAMES = 1024;

const names = new Map<string, Name>();
const permanentNames: Name[] = [];
const permanent: Entry[] = [];
let entryCount = 0;
let byteCount = 0;

/** The one `Name` of this text; a fresh one when the table is full. */
export function internName(text: string, isValid: boolean): Name {
  const known = names.get(text);
  if (known !== undefined) return known;
  if (names.size >= MAX_NAMES) forget();
  const name = new Name(text, isValid);
  names.set(text, name);
  return name;
}

/** The one `Entry` of this name and value. */
export function intern(name: Name, value: string, isValid: boolean): Entry {
  const known = name.values.get(value);
  if (known !== undefined) return known;
  const entry = new Entry(name, value, isValid);
  if (entryCount >= MAX_ENTRIES || byteCount + entry.size > MAX_BYTES) forget();
  entryCount++;
  byteCount += entry.size;
  name.values.set(value, entry);
  return entry;
}

/** Makes a name survive every `forget`. */
export function internNameForever(text: string): Name {
  const name = internName(text, true);
  if (!permanentNames.includes(name)) permanentNames.push(name);
  return name;
}

/** Makes an entry survive every `forget`. For the static table and the other few that the program itself writes. */
export function internForever(nameText: string, value: string): Entry {
  const entry = intern(internNameForever(nameText), value, true);
  permanent.push(entry);
  return entry;
}

/** How much is interned now. For tests. */
export function internedCounts(): { names: number; entries: number; bytes: number } {
  return { names: names.size, entries: entryCount, bytes: byteCount };
}

function forget(): void {
  for (const name of names.values()) name.values.clear();
  names.clear();
  entryCount = 0;
  byteCount = 0;
  for (const name of permanentNames) names.set(name.text, name);
  for (const entry of permanent) {
    entry.name.values.set(entry.value, entry);
    entryCount++;
    byteCount += entry.size;
  }
}
