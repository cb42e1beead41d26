/** Lists of ports as annotations write them: `80,443,1000-2000`, in places also container port names. */

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PortList {
  readonly ranges: readonly PortRange[];
  /** Entries that are neither a port, a range nor a known name, quoted as they stood. */
  readonly bad: readonly string[];
}

/** Reads a list; a bad entry is named and left out, the others stand. `named` resolves port names. */
export function parsePortList(text: string, named: ReadonlyMap<string, number> = new Map()): PortList {
  const ranges: PortRange[] = [];
  const bad: string[] = [];
  for (const part of text.split(",")) {
    const entry = part.trim();
    if (entry === "") continue;
    const range = parseEntry(entry, named);
    if (range) ranges.push(range);
    else bad.push(entry);
  }
  return { ranges, bad };
}

function parseEntry(entry: string, named: ReadonlyMap<string, number>): PortRange | undefined {
  const byName = named.get(entry);
  if (byName !== undefined) return { first: byName, last: byName };
  const match = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(entry);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first >= 1 && last <= 65535 && first <= last ? { first, last } : undefined;
}

/** The list as the proxy and the network rules read it. */
export function formatPortList(list: Pick<PortList, "ranges">): string {
  return list.ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
