/**
 * A label whose values come from peers: the first `maxCount` are told apart, all later ones are said as an empty text,
 * so that nobody can use up the places of other series by inventing values (CVE-2025-43915 was that).
 */
export class BoundedLabel {
  readonly #known = new Set<string>();
  readonly #maxCount: number;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#maxCount) return "";
    this.#known.add(value);
    return value;
  }
}
