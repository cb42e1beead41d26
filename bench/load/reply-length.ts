const [CR, LF, COLON, SPACE] = [13, 10, 58, 32];
const NAME = Buffer.from("content-length");
const STATUS_AT = "HTTP/1.1 ".length;

/**
 * The length of an HTTP/1.1 reply, head and body, by its head, which must have come whole in the first `end` bytes. Below 0
 * when it is not a 200 with a content-length. Nothing is allocated.
 */
export function replyLength(bytes: Uint8Array, end: number): number {
  if (end < STATUS_AT + 3 || bytes[STATUS_AT] !== 0x32 || bytes[STATUS_AT + 1] !== 0x30) return -1;
  let bodyLength = -1;
  for (let at = 0, line = 0; at + 1 < end; at++) {
    if (bytes[at] !== CR || bytes[at + 1] !== LF) continue;
    if (at === line) return bodyLength < 0 ? -1 : at + 2 + bodyLength;
    if (isContentLength(bytes, line)) bodyLength = decimal(bytes, line + NAME.length + 1, at);
    line = at + 2;
  }
  return -1;
}

function isContentLength(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < NAME.length; i++) if ((bytes[at + i]! | 0x20) !== (NAME[i]! | 0x20)) return false;
  return bytes[at + NAME.length] === COLON;
}

function decimal(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) if (bytes[at] !== SPACE) value = value * 10 + (bytes[at]! - 0x30);
  return value;
}
