/** Ports given as `80,443,1000-2000`. */
export class PortSet {
  static readonly EMPTY = new PortSet([]);
  readonly #ranges: readonly (readonly [number, number])[];

  constructor(ranges: readonly (readonly [number, number])[]) {
    this.#ranges = ranges;
  }

  static parse(text: string): PortSet | undefined {
    const ranges: [number, number][] = [];
    for (const part of text.split(",")) {
      if (part.trim() === "") continue;
      const match = /^\s*(\d{1,5})\s*(?:-\s*(\d{1,5})\s*)?$/.exec(part);
      const low = Number(match?.[1]);
      const high = Number(match?.[2] ?? match?.[1]);
      if (!match || low < 1 || high > 65535 || low > high) return undefined;
      ranges.push([low, high]);
    }
    return new PortSet(ranges);
  }

  has(port: number): boolean {
    return this.#ranges.some(([low, high]) => port >= low && port <= high);
  }

  /** Each port, at most `limit` of them. */
  expand(limit: number): number[] {
    const ports = new Set<number>();
    for (const [low, high] of this.#ranges) {
      for (let port = low; port <= high && ports.size < limit; port++) ports.add(port);
    }
    return [...ports];
  }
}
