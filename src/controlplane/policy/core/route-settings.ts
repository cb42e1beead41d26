/** Timeouts and retries, as `timeout.linkerd.io` and `retry.linkerd.io` annotations ask for them. */
import type { Timeouts } from "#proto/http_route";
import type { ExponentialBackoff, GrpcRoute_Retry, HttpRoute_Retry } from "#proto/outbound";
import { durationMessage, parseSingleUnitMs } from "./duration.ts";
import type { Setting } from "./failure-accrual.ts";

type Annotations = Readonly<Record<string, string>>;

const BACKOFF: ExponentialBackoff = {
  minBackoff: durationMessage(25),
  maxBackoff: durationMessage(250),
  jitterRatio: 1,
  respectRetryAfterHint: false,
};
const MAX_REQUEST_BYTES = 65_536; // a request that is larger is sent once
const MAX_U16 = 65_535;

/** Timeouts in milliseconds; absent means none. */
export interface TimeoutSettings {
  readonly requestMs?: number;
  readonly responseMs?: number;
  readonly idleMs?: number;
}

export function timeoutSettings(annotations: Annotations): Setting<TimeoutSettings> {
  const settings: { requestMs?: number; responseMs?: number; idleMs?: number } = {};
  for (const [field, name] of [
    ["requestMs", "request"],
    ["responseMs", "response"],
    ["idleMs", "idle"],
  ] as const) {
    const key = `timeout.linkerd.io/${name}`;
    const { value, error } = durationOf(annotations, key);
    if (error) return { error };
    if (value !== undefined && value > 0) settings[field] = value;
  }
  return Object.keys(settings).length > 0 ? { value: settings } : {};
}

export function timeoutsMessage({ requestMs, responseMs, idleMs }: TimeoutSettings): Timeouts {
  const message = (ms: number | undefined) => (ms === undefined ? undefined : durationMessage(ms));
  return { request: message(requestMs), response: message(responseMs), idle: message(idleMs) };
}

function durationOf(annotations: Annotations, key: string): Setting<number> {
  const text = annotations[key];
  if (text === undefined) return {};
  const value = parseSingleUnitMs(text);
  return value === undefined
    ? { error: `Cannot parse annotation ${key}: "${text}" must be one number and one unit like 10s` }
    : { value };
}

interface RetryLimits {
  readonly maxRetries: number;
  readonly timeoutMs: number | undefined;
  readonly isAsked: boolean;
}

function retryLimits(annotations: Annotations): Setting<RetryLimits> {
  const timeout = durationOf(annotations, "retry.linkerd.io/timeout");
  if (timeout.error) return { error: timeout.error };
  const text = annotations["retry.linkerd.io/limit"];
  const limit = text === undefined ? 0 : /^\d{1,5}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(limit <= MAX_U16)) {
    return {
      error: `Cannot parse annotation retry.linkerd.io/limit: "${text}" must be a whole number from 0 to 65535`,
    };
  }
  const timeoutMs = timeout.value || undefined; // 0 counts as not set, as does a limit of 0
  return { value: { maxRetries: limit || 1, timeoutMs, isAsked: limit > 0 || timeoutMs !== undefined } };
}

function retryMessage({ maxRetries, timeoutMs }: RetryLimits) {
  const timeout = timeoutMs === undefined ? undefined : durationMessage(timeoutMs);
  return { maxRetries, maxRequestBytes: MAX_REQUEST_BYTES, timeout, backoff: BACKOFF };
}

/**
 * Retries of HTTP requests. A limit or timeout without conditions stands for 5xx: Linkerd sends an empty list then, and
 * nothing is retried, which nobody means.
 */
export function httpRetry(annotations: Annotations): Setting<HttpRoute_Retry> {
  const limits = retryLimits(annotations);
  if (!limits.value) return { error: limits.error ?? "" };
  const text = annotations["retry.linkerd.io/http"];
  if (text === undefined && !limits.value.isAsked) return {};
  const statusRanges = (text ?? "5xx")
    .toLowerCase()
    .split(",")
    .map((entry) => statusRange(entry.trim()));
  const bad = statusRanges.indexOf(undefined);
  if (bad >= 0) {
    return {
      error: `Cannot parse annotation retry.linkerd.io/http: "${text}" must list 5xx, gateway-error, a status or a range like 500-503`,
    };
  }
  const conditions = { statusRanges: statusRanges as { start: number; end: number }[] };
  return { value: { ...retryMessage(limits.value), conditions } };
}

function statusRange(entry: string): { start: number; end: number } | undefined {
  if (entry === "5xx") return { start: 500, end: 599 };
  if (entry === "gateway-error") return { start: 502, end: 504 };
  const match = /^(\d{3})(?:-(\d{3}))?$/.exec(entry);
  if (!match) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2] ?? match[1]);
  return start >= 100 && end <= 599 && start <= end ? { start, end } : undefined;
}

const GRPC_CONDITIONS = {
  cancelled: "cancelled",
  "deadline-exceeded": "deadineExceeded", // misspelt in the contract
  internal: "internal",
  "resource-exhausted": "resourceExhausted",
  unavailable: "unavailable",
} as const;

/** Retries of gRPC calls. Without conditions: unavailable, which a server says when it has done nothing. */
export function grpcRetry(annotations: Annotations): Setting<GrpcRoute_Retry> {
  const limits = retryLimits(annotations);
  if (!limits.value) return { error: limits.error ?? "" };
  const text = annotations["retry.linkerd.io/grpc"];
  if (text === undefined && !limits.value.isAsked) return {};
  const conditions = {
    cancelled: false,
    deadineExceeded: false,
    internal: false,
    resourceExhausted: false,
    unavailable: false,
  };
  for (const entry of (text ?? "unavailable").toLowerCase().split(",")) {
    const field = GRPC_CONDITIONS[entry.trim() as keyof typeof GRPC_CONDITIONS];
    if (!field) {
      const wanted = Object.keys(GRPC_CONDITIONS).join(", ");
      return { error: `Cannot parse annotation retry.linkerd.io/grpc: "${text}" must list some of ${wanted}` };
    }
    conditions[field] = true;
  }
  return { value: { ...retryMessage(limits.value), conditions } };
}
