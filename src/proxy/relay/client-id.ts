import { type Fields, knownId, REMOVED, STRIDE } from "#fields";

/**
 * Removes every `l5d-client-id`: only the proxy may say who a client is. Names with `_` for `-` go too, since servers that
 * hand fields on as environment variables (CGI, WSGI) cannot tell the two apart.
 */
export function removeClientIds(fields: Fields): void {
  const { at, count } = fields;
  for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
    const id = at[offset];
    if (id === CLIENT_ID) at[offset] = REMOVED;
    else if (id === UNKNOWN && at[offset + 2] - at[offset + 1] === NAME.length && isAlike(fields, at[offset + 1])) {
      at[offset] = REMOVED;
    }
  }
}

function isAlike({ bytes }: Fields, start: number): boolean {
  for (let i = 0; i < NAME.length; i++) {
    let byte = bytes[start + i];
    if (byte === UNDERSCORE) byte = HYPHEN;
    else if (byte >= 0x41 && byte <= 0x5a) byte |= 0x20;
    if (byte !== NAME[i]) return false;
  }
  return true;
}

const NAME = Buffer.from("l5d-client-id");
const CLIENT_ID = knownId("l5d-client-id");
const UNKNOWN = 0;
const HYPHEN = 0x2d;
const UNDERSCORE = 0x5f;
