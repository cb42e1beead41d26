const ALPHABET = "bcdfghjklmnpqrstvwxz2456789"; // as Kubernetes writes hashes into names

/** A short name for a template's content; the same content has the same name. */
export function templateHash(template: unknown, collisionCount = 0): string {
  let hash = Bun.hash.xxHash32(`${collisionCount} ${canonical(template)}`);
  let text = "";
  for (let i = 0; i < 9; i++) {
    text += ALPHABET[hash % ALPHABET.length];
    hash = Math.floor(hash / ALPHABET.length) || Bun.hash.xxHash32(`${text} ${canonical(template)}`);
  }
  return text;
}

/** JSON with the fields in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item !== null && typeof item === "object" && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
