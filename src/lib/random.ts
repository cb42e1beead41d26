/** Chance as an argument: `next()` is uniform in [0, 1). Not for secrets; those come from `secretBytes`. */
export interface Random {
  next(): number;
}

export const systemRandom: Random = { next: () => Math.random() };

/** A repeatable sequence (mulberry32), for tests and simulations. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
  };
}

/** Bytes that nobody can guess; 65,536 at most. Not by `node:crypto`, which costs every proxy 1.2 MB to load. */
export function secretBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

const NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"; // no vowels, no lookalikes: Kubernetes' choice for generated names

/** A short random suffix as Kubernetes makes them for `generateName`. */
export function nameSuffix(length: number, random: Random = systemRandom): string {
  let suffix = "";
  for (let i = 0; i < length; i++) suffix += NAME_ALPHABET[Math.floor(random.next() * NAME_ALPHABET.length)];
  return suffix;
}
