import { type DeepPartial, mergeValues, type Values } from "#manifests/install";

/** `overlay` over `base`, as Helm merges: maps key by key, everything else as a whole. */
export function layered(base: Values, overlay: DeepPartial<Values>): Values {
  return mergeValues(base as never, overlay as never) as unknown as Values;
}
