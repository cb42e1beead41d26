import type { Counter, Family, Histogram, Labels } from "#lib/metrics";

/** The counters of one endpoint's requests. Responses are found by a number, not by making labels. */
export class HttpSeries {
  readonly requests: Counter;
  readonly #labels: Labels;
  readonly #responses: Family<Counter>;
  readonly #latency: Family<Histogram>;
  readonly #byOutcome = new SmallMap<Counter>(); // at most one per status, gRPC status and verdict
  readonly #latencyByStatus = new SmallMap<Histogram>();

  constructor(labels: Labels, requests: Family<Counter>, responses: Family<Counter>, latency: Family<Histogram>) {
    this.#labels = labels;
    this.requests = requests.series(labels);
    this.#responses = responses;
    this.#latency = latency;
  }

  /** Counts a response at its end. `grpcStatus` is -1 when the response is not gRPC's. */
  ended(status: number, grpcStatus: number, isSuccess: boolean): void {
    const key = status * 64 + (grpcStatus + 1) * 2 + (isSuccess ? 1 : 0);
    let counter = this.#byOutcome.get(key);
    if (!counter) {
      counter = this.#responses.series({
        ...this.#labels,
        status_code: status,
        classification: isSuccess ? "success" : "failure",
        ...(grpcStatus >= 0 ? { grpc_status: grpcStatus } : {}),
      });
      this.#byOutcome.set(key, counter);
    }
    counter.value++;
  }

  /** Counts a request whose response never came. */
  failed(error: string): void {
    this.#responses.series({ ...this.#labels, classification: "failure", error }).inc();
  }

  /** Milliseconds to the first body data. */
  latency(status: number, latencyMs: number): void {
    let histogram = this.#latencyByStatus.get(status);
    if (!histogram) {
      histogram = this.#latency.series({ ...this.#labels, status_code: status });
      this.#latencyByStatus.set(status, histogram);
    }
    histogram.observe(latencyMs);
  }
}

/** A map from numbers that mostly has one entry: most services always answer alike. */
class SmallMap<V> {
  #key = Number.NaN;
  #value: V | undefined;
  #others: Map<number, V> | undefined;

  get(key: number): V | undefined {
    return key === this.#key ? this.#value : this.#others?.get(key);
  }

  set(key: number, value: V): void {
    if (this.#value !== undefined) (this.#others ??= new Map()).set(key, value);
    else {
      this.#key = key;
      this.#value = value;
    }
  }
}

/** gRPC statuses that mean the server failed: UNKNOWN, DEADLINE_EXCEEDED, PERMISSION_DENIED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
export function isGrpcFailure(grpcStatus: number): boolean {
  return grpcStatus === 2 || grpcStatus === 4 || grpcStatus === 7 || (grpcStatus >= 13 && grpcStatus <= 15);
}
