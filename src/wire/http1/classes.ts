/**
 * Which bytes may stand where, as tables: one indexed load per byte. 1 = allowed.
 */
const ALPHA = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const DIGIT = "0123456789";

/** RFC 9110 §5.6.2: methods and field names. */
export const TOKEN = table(`${ALPHA}${DIGIT}!#$%&'*+-.^_\`|~`);

/** RFC 9110 §5.5: HTAB, SP, visible ASCII and obs-text; no other control character, no DEL. */
export const FIELD_VALUE = ranges([0x09, 0x09], [0x20, 0x7e], [0x80, 0xff]);

/**
 * Request targets: visible ASCII without `#`. Wider than RFC 3986 (`"`, `<`, `|` and the like are in daily use and cannot
 * change where the target ends), but a fragment, white space and bytes above 127 are refused.
 */
export const TARGET = without(ranges([0x21, 0x7e]), "#");

/** RFC 3986 §3.2.2: reg-name and IP literals; what `host[:port]` may consist of. */
export const HOST = table(`${ALPHA}${DIGIT}-._~%!$&'()*+,;=`);

/** Value of a hexadecimal digit, or 255. */
export const HEX = hexTable();

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;
export const COMMA = 0x2c;
export const SEMICOLON = 0x3b;

function table(characters: string): Uint8Array {
  const allowed = new Uint8Array(256);
  for (const character of characters) allowed[character.charCodeAt(0)] = 1;
  return allowed;
}

function ranges(...pairs: readonly (readonly [first: number, last: number])[]): Uint8Array {
  const allowed = new Uint8Array(256);
  for (const [first, last] of pairs) allowed.fill(1, first, last + 1);
  return allowed;
}

function without(allowed: Uint8Array, characters: string): Uint8Array {
  for (const character of characters) allowed[character.charCodeAt(0)] = 0;
  return allowed;
}

function hexTable(): Uint8Array {
  const values = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 16; digit++) {
    const text = digit.toString(16);
    values[text.charCodeAt(0)] = digit;
    values[text.toUpperCase().charCodeAt(0)] = digit;
  }
  return values;
}
