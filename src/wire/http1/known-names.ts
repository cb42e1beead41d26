import { KNOWN, UNKNOWN } from "#fields";

/** The id of the known name that stands in bytes[from, to), whatever its case; `UNKNOWN` when it is none. The bytes are a token. */
export function knownIdOf(bytes: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length > LONGEST) return UNKNOWN;
  const candidates = BY_LENGTH[length];
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i];
    if (matches(bytes, from, candidate.lower)) return candidate.id;
  }
  return UNKNOWN;
}

/** Case folding by `| 0x20` also folds some characters that are no letters; harmless behind the token table (none meets a name of ours). */
function matches(bytes: Uint8Array, from: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) if ((bytes[from + i] | 0x20) !== lower[i]) return false;
  return true;
}

interface Candidate {
  readonly id: number;
  readonly lower: Uint8Array;
}

const LONGEST = Math.max(...KNOWN.map((name) => name.length));
const BY_LENGTH: readonly (readonly Candidate[])[] = Array.from({ length: LONGEST + 1 }, (_, length) =>
  KNOWN.flatMap((name, id) => (id !== UNKNOWN && name.length === length ? [{ id, lower: Buffer.from(name) }] : [])),
);
