import type { Authorization } from "../authorize/authorization.ts";
import type { RateLimit } from "../authorize/rate-limit.ts";
import type { Filters } from "../route/filters.ts";
import type { MetaLabels } from "../route/metadata.ts";
import type { RouteTable } from "../route/route-table.ts";

export type InboundProtocol = "detect" | "opaque" | "tls" | "http1" | "http2" | "grpc";

/** What applies to one port of this workload. Never changes: an update is a new one. */
export interface ServerPolicy {
  readonly protocol: InboundProtocol;
  readonly detectTimeoutMs: number;
  readonly meta: MetaLabels;
  /** Who may open connections; for HTTP they are part of each rule's grants. */
  readonly grants: readonly Authorization[];
  readonly routes: RouteTable<InboundRule>;
  readonly rateLimit: RateLimit | undefined;
  /** Why the control plane's policy cannot be followed: everything is refused. */
  readonly invalid: string | undefined;
  /**
   * Filters or a rate limit do more than `grants` say: a silent client must not be connected before it speaks.
   * A route's own grants only add to the server's, so whom those let in no route refuses.
   */
  readonly hasRouteRules: boolean;
}

/** One rule of one route, with all that is decided before a request comes. */
export interface InboundRule {
  readonly route: MetaLabels;
  /** The route's grants, then the server's. */
  readonly grants: readonly Authorization[];
  readonly filters: Filters;
}
