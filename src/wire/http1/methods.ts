import { isText, latin1 } from "#latin1";

/** The method as text; the usual ones without making a string. */
export function methodText(bytes: Uint8Array, from: number, to: number): string {
  const candidates = BY_LENGTH[to - from];
  if (candidates !== undefined) {
    for (let i = 0; i < candidates.length; i++) if (isText(bytes, from, to, candidates[i])) return candidates[i];
  }
  return latin1(bytes, from, to);
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
