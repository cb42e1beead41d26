import type { Clock } from "#lib/clock";
import type { Counter, Family, Histogram, Labels } from "#lib/metrics";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { GrpcChannel, GrpcSink, GrpcStatus } from "./channel.ts";

/** The same channel, with its calls counted under `control_request_total` and `control_response_total`. */
export function countedChannel(channel: GrpcChannel, metrics: ProxyMetrics, labels: Labels, clock: Clock): GrpcChannel {
  const requests = metrics.registry.counter("control_request_total", "Calls to the control plane.").series(labels);
  const series: Series = {
    labels,
    responses: metrics.registry.counter("control_response_total", "Calls to the control plane, at their end."),
    latency: metrics.registry
      .histogram(
        "control_response_latency_ms",
        "Milliseconds to the first message or the end.",
        [1, 5, 10, 50, 100, 500, 1000, 5000],
      )
      .series(labels),
  };
  return {
    call(path, request, sink) {
      requests.inc();
      return channel.call(path, request, new CountedCall(sink, series, clock));
    },
    close: () => channel.close(),
  };
}

interface Series {
  readonly labels: Labels;
  readonly responses: Family<Counter>;
  readonly latency: Histogram;
}

class CountedCall implements GrpcSink {
  readonly #sink: GrpcSink;
  readonly #series: Series;
  readonly #clock: Clock;
  #startedAtMs: number; // below 0 once something came

  constructor(sink: GrpcSink, series: Series, clock: Clock) {
    this.#sink = sink;
    this.#series = series;
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
  }

  message(bytes: Uint8Array): void {
    this.#noteFirst();
    this.#sink.message(bytes);
  }

  closed(status: GrpcStatus): void {
    this.#noteFirst();
    const { responses, labels } = this.#series;
    const classification = status.code === 0 ? "success" : "failure";
    responses.series({ ...labels, grpc_status: status.code, classification }).inc();
    this.#sink.closed(status);
  }

  #noteFirst(): void {
    if (this.#startedAtMs >= 0) this.#series.latency.observe(this.#clock.monotonicMs() - this.#startedAtMs);
    this.#startedAtMs = -1;
  }
}
