import type { Random } from "#lib/random";

/** What the choice between endpoints looks at. */
export interface Choice {
  /** False: not to be chosen now (ejected, or its connections fail). */
  readonly isReady: boolean;
  /** Smaller is better: the latency estimate times the requests in flight plus one. */
  cost(nowMs: number): number;
}

/**
 * Two distinct ready endpoints by chance, the cheaper one wins; undefined when none is ready.
 * Tries a few draws before looking at all, so that the cost does not grow with the number of endpoints.
 */
export function pickP2c<T extends Choice>(endpoints: readonly T[], random: Random, nowMs: number): T | undefined {
  const count = endpoints.length;
  if (count === 0) return undefined;
  if (count === 1) return endpoints[0].isReady ? endpoints[0] : undefined;
  for (let tries = 0; tries < MAX_DRAWS; tries++) {
    const first = Math.floor(random.next() * count);
    const offset = 1 + Math.floor(random.next() * (count - 1));
    const second = (first + offset) % count;
    const a = endpoints[first];
    const b = endpoints[second];
    if (a.isReady && b.isReady) return a.cost(nowMs) <= b.cost(nowMs) ? a : b;
  }
  return pickAmongReady(endpoints, random, nowMs);
}

const MAX_DRAWS = 3;

function pickAmongReady<T extends Choice>(endpoints: readonly T[], random: Random, nowMs: number): T | undefined {
  const ready = endpoints.filter((endpoint) => endpoint.isReady);
  if (ready.length <= 1) return ready[0];
  const first = Math.floor(random.next() * ready.length);
  const second = (first + 1 + Math.floor(random.next() * (ready.length - 1))) % ready.length;
  return ready[first].cost(nowMs) <= ready[second].cost(nowMs) ? ready[first] : ready[second];
}
