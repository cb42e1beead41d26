/** Circuit breaking and load estimation, as `balancer.linkerd.io` annotations ask for them. */
import type { Backend_BalanceP2c, ExponentialBackoff, FailureAccrual } from "#proto/outbound";
import { durationMessage, parseSingleUnitMs } from "./duration.ts";

type Annotations = Readonly<Record<string, string>>;

/** A setting, or what is wrong with it. Neither means: not asked for. */
export interface Setting<T> {
  readonly value?: T;
  readonly error?: string;
}

const STABLE = "balancer.linkerd.io/";
const ALPHA = "balancer.alpha.linkerd.io/";

/** Reads one annotation; collects what is wrong. */
class Reader {
  readonly errors: string[] = [];
  readonly #annotations: Annotations;

  constructor(annotations: Annotations) {
    this.#annotations = annotations;
  }

  durationMs(key: string, fallbackMs: number): number {
    return this.#read(key, fallbackMs, parseSingleUnitMs, "one number and one unit like 10s");
  }

  number(key: string, fallback: number, { max, isWhole }: { max: number; isWhole: boolean }): number {
    const parse = (text: string): number | undefined => {
      const trimmed = text.trim();
      const value = trimmed === "" ? Number.NaN : Number(trimmed);
      return value >= 0 && value <= max && (!isWhole || /^\d+$/.test(trimmed)) ? value : undefined;
    };
    return this.#read(key, fallback, parse, `${isWhole ? "a whole number" : "a number"} from 0 to ${max}`);
  }

  flag(key: string): boolean {
    const parse = (text: string): boolean | undefined => {
      const word = text.trim();
      if (/^(1|t|T|true|TRUE|True)$/.test(word)) return true;
      return /^(0|f|F|false|FALSE|False)$/.test(word) ? false : undefined;
    };
    return this.#read(key, false, parse, "true or false");
  }

  require(isTrue: boolean, error: string): void {
    if (!isTrue) this.errors.push(error);
  }

  #read<T>(key: string, fallback: T, parse: (text: string) => T | undefined, wanted: string): T {
    const text = this.#annotations[key];
    if (text === undefined) return fallback;
    const value = parse(text);
    if (value === undefined) this.errors.push(`Cannot parse annotation ${key}: "${text}" must be ${wanted}`);
    return value ?? fallback;
  }
}

const MAX_U32 = 2 ** 32 - 1;

/** The breaker that a Service asks for. Anything wrong in the group drops the breaker as a whole. */
export function failureAccrual(annotations: Annotations): Setting<FailureAccrual> {
  const mode = annotations[`${STABLE}failure-accrual`];
  if (mode === undefined) return {};
  const reader = new Reader(annotations);
  if (mode !== "consecutive" && mode !== "unified") {
    return { error: `Cannot parse annotation ${STABLE}failure-accrual: "${mode}" must be consecutive or unified` };
  }
  const maxFailures = reader.number(key("max-failures"), 7, { max: MAX_U32, isWhole: true });
  const backoff = accrualBackoff(reader, mode === "unified");
  const value: FailureAccrual["kind"] =
    mode === "consecutive"
      ? { $case: "consecutiveFailures", value: { maxFailures, backoff } }
      : { $case: "unified", value: { ...successRate(reader), maxConsecutiveFailures: maxFailures, backoff } };
  return reader.errors[0] ? { error: reader.errors[0] } : { value: { kind: value, ejection: undefined } };
}

function key(name: string): string {
  return `${STABLE}failure-accrual-consecutive-${name}`;
}

function accrualBackoff(reader: Reader, isUnified: boolean): ExponentialBackoff {
  const minMs = reader.durationMs(key("min-penalty"), 1_000);
  const maxMs = reader.durationMs(key("max-penalty"), 60_000);
  reader.require(maxMs > 0, `Cannot use ${key("max-penalty")}: must be above 0`);
  reader.require(minMs <= maxMs, `Cannot use ${key("min-penalty")}: must be at most the max-penalty`);
  return {
    minBackoff: durationMessage(minMs),
    maxBackoff: durationMessage(maxMs),
    jitterRatio: reader.number(key("jitter-ratio"), 0.5, { max: 100, isWhole: false }),
    respectRetryAfterHint: isUnified && reader.flag(`${ALPHA}failure-accrual-honor-retry-after`),
  };
}

function successRate(reader: Reader) {
  const prefix = `${ALPHA}failure-accrual-success-rate-`;
  const threshold = reader.number(`${prefix}threshold`, 0.8, { max: 1, isWhole: false });
  const windowMs = reader.durationMs(`${prefix}window`, 10_000);
  const isOff = threshold === 0;
  reader.require(windowMs >= (isOff ? 1 : 10), `Cannot use ${prefix}window: must be at least 10ms`);
  const minRequests = reader.number(`${prefix}min-requests`, 5, { max: isOff ? MAX_U32 : 1_000_000, isWhole: true });
  return { successRateThreshold: threshold, decay: durationMessage(windowMs), minRequests };
}

const PEAK_EWMA = { defaultRtt: durationMessage(30), decay: durationMessage(10_000) };

/** How a balancer estimates load: plainly, or adding a penalty for failures. */
export function loadEstimator(annotations: Annotations): Setting<NonNullable<Backend_BalanceP2c["load"]>> {
  const reader = new Reader(annotations);
  const plain = { $case: "peakEwma", value: PEAK_EWMA } as const;
  const isPenalising = reader.flag(`${ALPHA}penalize-failures`);
  const penaltyMs = reader.durationMs(`${ALPHA}load-biaser-penalty`, 5_000);
  const maxRetryAfterMs = reader.durationMs(`${ALPHA}load-biaser-max-retry-after`, 300_000);
  reader.require(penaltyMs <= MAX_U32, `Cannot use ${ALPHA}load-biaser-penalty: it is too long`);
  if (reader.errors[0]) return { value: plain, error: reader.errors[0] };
  if (!isPenalising) return { value: plain };
  const penalty = durationMessage(penaltyMs);
  const maxRetryAfter = durationMessage(maxRetryAfterMs);
  const value = { ...PEAK_EWMA, penalty, maxRetryAfter, penaltyDecay: durationMessage(10_000) };
  return { value: { $case: "penaltyPeakEwma", value } };
}
