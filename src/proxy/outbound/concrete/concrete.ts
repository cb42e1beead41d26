import type { BackoffOptions } from "#lib/backoff";
import type { Clock } from "#lib/clock";
import type { Random } from "#lib/random";
import type { Connector } from "../endpoint/connector.ts";
import type { BalancerObserver } from "./balancer.ts";
import type { EndpointListener } from "./endpoint-sets.ts";

/** How the latency of endpoints is estimated. */
export interface LoadOptions {
  readonly defaultRttMs: number;
  readonly decayMs: number;
}

/** What a concrete backend is made from, for HTTP and TCP alike. */
export interface ConcreteDeps {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly connector: Pick<Connector, "connect" | "labels">;
  readonly queueCapacity: number;
  readonly failfastMs: number;
  readonly connectBackoff: BackoffOptions;
  readonly load: LoadOptions;
  readonly observer: BalancerObserver;
  /** Feeds the balancer with endpoints until the returned function is called. */
  readonly subscribe: (listener: EndpointListener) => () => void;
}
