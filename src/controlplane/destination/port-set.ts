/** Ports as annotations list them: `25,587,3306-3310,smtp`. */
export class PortSet {
  readonly #ranges: readonly (readonly [from: number, to: number])[];

  private constructor(ranges: readonly (readonly [number, number])[]) {
    this.#ranges = ranges;
  }

  /** Reads a list. Names are looked up by `portNamed`; what cannot be read is left out, so that one slip does not void the rest. */
  static parse(list: string, portNamed: (name: string) => number | undefined = () => undefined): PortSet {
    const ranges: [number, number][] = [];
    for (const part of list.split(",").map((item) => item.trim())) {
      const match = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(part);
      const from = match ? Number(match[1]) : portNamed(part);
      const to = match?.[2] === undefined ? from : Number(match[2]);
      if (from !== undefined && to !== undefined && from >= 1 && from <= to && to <= 65_535) ranges.push([from, to]);
    }
    return new PortSet(ranges);
  }

  has(port: number): boolean {
    return this.#ranges.some(([from, to]) => port >= from && port <= to);
  }
}
