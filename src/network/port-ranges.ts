/** Ports from first to last, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Reads `80,443,8000-8010`. What is no port or range is named in `errors`; the rest still counts. */
export function parsePortRanges(text: string, errors: string[]): PortRange[] {
  const ranges: PortRange[] = [];
  for (const part of text.split(",").map((piece) => piece.trim())) {
    if (part === "") continue;
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match && first <= last && last <= 65_535) ranges.push({ first, last });
    else errors.push(`Cannot read port ${JSON.stringify(part)}: wanted 0 to 65535 or a range like 8000-8010`);
  }
  return ranges;
}

/** Lists for iptables' multiport match (`80,8000:8010`), which holds at most 15 ports; a range counts as two. */
export function multiportLists(ranges: readonly PortRange[]): string[] {
  const lists: string[][] = [];
  let room = 0;
  for (const { first, last } of ranges) {
    const cost = first === last ? 1 : 2;
    if (cost > room) {
      lists.push([]);
      room = MAX_MULTIPORT;
    }
    lists[lists.length - 1].push(first === last ? String(first) : `${first}:${last}`);
    room -= cost;
  }
  return lists.map((list) => list.join(","));
}

const MAX_MULTIPORT = 15;
