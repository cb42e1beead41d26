import type { BackoffOptions } from "#lib/backoff";
import type { GrpcRoute_Retry, HttpRoute_Retry } from "#proto/outbound";
import { readDuration } from "../route/wire-values.ts";
import type { RetryBudget } from "./budget.ts";

/** When and how often a request is sent again. */
export interface RetryPolicy {
  readonly maxRetries: number;
  /** A request whose body is longer is not sent again. */
  readonly maxRequestBytes: number;
  readonly statusRanges: readonly { readonly start: number; readonly end: number }[];
  readonly grpcCodes: ReadonlySet<number>;
  /** For the response's head, per attempt except the last; 0 is none. */
  readonly headersTimeoutMs: number;
  readonly backoff: BackoffOptions;
  /** What all retries of a service together may add; undefined is no such limit. */
  readonly budget?: RetryBudget | undefined;
}

/** Reads a route's retry settings. Throws on what is incomplete. */
export function readRetry(retry: HttpRoute_Retry | GrpcRoute_Retry | undefined): RetryPolicy | undefined {
  if (!retry) return undefined;
  const { conditions, backoff } = retry;
  if (!conditions) throw new Error("a retry has no conditions");
  if (retry.maxRetries > 65_535) throw new Error(`a retry limit of ${retry.maxRetries} is beyond 65535`);
  const codes = new Set<number>();
  if (!("statusRanges" in conditions)) {
    if (conditions.cancelled) codes.add(1);
    if (conditions.deadineExceeded) codes.add(4);
    if (conditions.resourceExhausted) codes.add(8);
    if (conditions.internal) codes.add(13);
    if (conditions.unavailable) codes.add(14);
  }
  return {
    maxRetries: retry.maxRetries,
    maxRequestBytes: retry.maxRequestBytes || 65_536,
    statusRanges: "statusRanges" in conditions ? conditions.statusRanges : [],
    grpcCodes: codes,
    headersTimeoutMs: readDuration(retry.timeout) ?? 0,
    backoff: {
      minMs: readDuration(backoff?.minBackoff) ?? 25,
      maxMs: readDuration(backoff?.maxBackoff) ?? 250,
      jitter: backoff?.jitterRatio ?? 1,
    },
  };
}

export function isRetryableStatus(policy: RetryPolicy, status: number): boolean {
  return policy.statusRanges.some(({ start, end }) => status >= start && status <= end);
}
