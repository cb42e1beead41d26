import { connections } from "./connections.ts";
import { control } from "./control-plane.ts";
import { fixedRate } from "./fixed-rate.ts";
import { growth } from "./growth.ts";
import { memory } from "./memory.ts";
import type { Scenario } from "./scenario.ts";
import { starts } from "./starts.ts";
import { throughput } from "./throughput.ts";
import { viz } from "./viz.ts";

/** Everything the benchmark measures, in the order it is run. */
export const scenarios: readonly Scenario[] = [
  ...throughput,
  ...fixedRate,
  ...connections,
  ...memory,
  ...control,
  ...viz,
  ...starts,
  growth,
];
