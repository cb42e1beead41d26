/**
 * Texts that occur again and again, kept once. A piece of a text holds the place of the whole text it was cut from; what
 * comes out of here is a copy of its own.
 */
export class TextPool {
  readonly #own = new Map<string, string>();

  own(text: string): string {
    const known = this.#own.get(text);
    if (known !== undefined) return known;
    if (this.#own.size >= MAX_TEXTS) this.#own.clear(); // those in use live on, they are only shared no further
    const copy = copyOf(text);
    this.#own.set(copy, copy);
    return copy;
  }
}

const MAX_TEXTS = 20_000;

/** A copy that holds nothing but itself. */
export function copyOf(text: string): string {
  return Buffer.from(text).toString();
}
