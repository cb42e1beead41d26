import type { Labels } from "#lib/metrics";
import type { RetryPolicy } from "../../retry/policy.ts";
import type { Filters } from "../../route/filters.ts";
import type { MetaRef } from "../../route/metadata.ts";
import type { RouteTable } from "../../route/route-table.ts";
import type { HttpConcrete } from "../concrete/http-concrete.ts";
import type { TcpConcrete } from "../concrete/tcp-concrete.ts";

/** What the clients of one destination are to be given. Never changes: an update is a new one. */
export interface ClientPolicy {
  readonly protocol: "detect" | "opaque" | "http1" | "http2" | "grpc" | "tls";
  readonly parent: MetaRef;
  readonly http1: RouteTable<HttpRule> | undefined;
  readonly http2: RouteTable<HttpRule> | undefined;
  readonly opaque: TcpRule | undefined;
  readonly tls: readonly TlsRule[];
  /** Why the control plane's policy cannot be followed: everything is refused. */
  readonly invalid: string | undefined;
}

export interface Distribution<C> {
  readonly kind: "empty" | "first" | "random";
  readonly backends: readonly RouteBackend<C>[];
  /** Running sums of the weights, for `random`. */
  readonly weightSums: readonly number[];
}

export interface RouteBackend<C> {
  readonly ref: MetaRef;
  readonly filters: Filters;
  /** TCP: an Invalid or Forbidden filter refuses the connection. */
  readonly refusal: string | undefined;
  /** Undefined when the backend has no dispatcher: its requests fail. */
  readonly concrete: C | undefined;
}

export interface HttpRule {
  readonly route: MetaRef;
  readonly isGrpc: boolean;
  readonly filters: Filters;
  readonly distribution: Distribution<HttpConcrete>;
  readonly timeouts: Timeouts;
  readonly retry: RetryPolicy | undefined;
  /** What the rule's prefix match was, for redirects that replace it. */
  readonly prefix: string | undefined;
  /** Labels of the `route_*` families, when a ServiceProfile says so. */
  readonly profileLabels: Labels | undefined;
}

/** Milliseconds; 0 is none. */
export interface Timeouts {
  readonly requestMs: number;
  readonly responseMs: number;
  readonly idleMs: number;
}

export interface TcpRule {
  readonly route: MetaRef;
  readonly refusal: string | undefined;
  readonly distribution: Distribution<TcpConcrete>;
}

export interface TlsRule extends TcpRule {
  readonly matches: (sni: string) => boolean;
  readonly rank: number;
}
