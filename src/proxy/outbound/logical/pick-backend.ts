import type { Random } from "#lib/random";
import type { Distribution, RouteBackend } from "./policy.ts";

interface Balanced {
  readonly hasReady: boolean;
}

/** A backend by weight, or the first that is ready, or the first; undefined when there is none. */
export function pickBackend<C extends Balanced>(
  distribution: Distribution<C>,
  random: Random,
): RouteBackend<C> | undefined {
  const { backends, weightSums } = distribution;
  if (backends.length <= 1) return backends[0];
  if (distribution.kind !== "random") {
    return backends.find(({ concrete }) => concrete?.hasReady) ?? backends[0];
  }
  const drawn = random.next() * weightSums[weightSums.length - 1];
  for (let i = 0; i < backends.length; i++) if (drawn < weightSums[i]) return backends[i];
  return backends[backends.length - 1];
}
