import { type Fields, REMOVED, STRIDE } from "#fields";
import { isTextAnyCase } from "#latin1";
import { optionEnd, skipSpace, trimSpace } from "./framing.ts";
import { ID } from "./ids.ts";
import { sameText } from "./target.ts";

/**
 * Takes out what concerns one connection only (RFC 9110 §7.6.1): every field that Connection names, then Connection,
 * Proxy-Connection, Keep-Alive and Upgrade. Not for messages that really upgrade.
 * What says where a message ends or whom it is for stays, even when Connection names it: a client must not be able to
 * make us forward `content-length` to one side and not to the other.
 */
export function removeHopByHop(fields: Fields): void {
  const { at, count } = fields;
  for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
    const id = at[offset];
    if (id === ID.connection) {
      removeNamed(fields, at[offset + 3], at[offset + 4]);
      at[offset] = REMOVED;
    } else if (id > 0 && (id === ID.proxyConnection || id === ID.keepAlive || id === ID.upgrade)) at[offset] = REMOVED;
  }
}

function removeNamed(fields: Fields, from: number, to: number): void {
  const { bytes } = fields;
  for (let at = from; at < to; ) {
    const end = optionEnd(bytes, at, to);
    const start = skipSpace(bytes, at, end);
    const trimmed = trimSpace(bytes, start, end);
    if (trimmed > start && !isPlainOption(bytes, start, trimmed)) removeByName(fields, start, trimmed);
    at = end + 1;
  }
}

function isPlainOption(bytes: Uint8Array, from: number, to: number): boolean {
  return (
    isTextAnyCase(bytes, from, to, "close") ||
    isTextAnyCase(bytes, from, to, "keep-alive") ||
    isTextAnyCase(bytes, from, to, "upgrade")
  );
}

function removeByName(fields: Fields, from: number, to: number): void {
  const { at, bytes, count } = fields;
  for (let index = 0, offset = 0; index < count; index++, offset += STRIDE) {
    const id = at[offset];
    if (id === REMOVED || id === ID.connection || isProtected(id)) continue;
    if (sameText(bytes, at[offset + 1], at[offset + 2], from, to)) at[offset] = REMOVED;
  }
}

function isProtected(id: number): boolean {
  return id === ID.host || id === ID.contentLength || id === ID.transferEncoding;
}
