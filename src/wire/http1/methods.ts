/** The method as text; the usual ones without making a string. */
export function methodText(bytes: Uint8Array, from: number, to: number): string {
  const candidates = BY_LENGTH[to - from];
  if (candidates !== undefined) {
    for (let i = 0; i < candidates.length; i++) if (matches(bytes, from, candidates[i])) return candidates[i];
  }
  return Buffer.prototype.latin1Slice.call(bytes, from, to);
}

function matches(bytes: Uint8Array, from: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

const BY_LENGTH: readonly (readonly string[])[] = [
  [],
  [],
  [],
  ["GET", "PUT"],
  ["POST", "HEAD"],
  ["PATCH", "TRACE"],
  ["DELETE"],
  ["OPTIONS", "CONNECT"],
];
