import type { Random } from "#lib/random";
import type { Distribution, RouteBackend } from "./policy.ts";

/** A backend by weight; undefined when there is none. */
export function pickBackend<C>(distribution: Distribution<C>, random: Random): RouteBackend<C> | undefined {
  const { backends, weightSums } = distribution;
  if (distribution.kind !== "random" || backends.length === 1) return backends[0];
  const drawn = random.next() * weightSums[weightSums.length - 1];
  for (let i = 0; i < backends.length; i++) if (drawn < weightSums[i]) return backends[i];
  return backends[backends.length - 1];
}
