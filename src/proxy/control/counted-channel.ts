import type { Clock } from "#lib/clock";
import type { Labels } from "#lib/metrics";
import type { ProxyMetrics } from "../metrics/proxy-metrics.ts";
import type { GrpcChannel, GrpcSink } from "./channel.ts";

/** The same channel, with its calls counted under `control_request_total` and `control_response_total`. */
export function countedChannel(channel: GrpcChannel, metrics: ProxyMetrics, labels: Labels, clock: Clock): GrpcChannel {
  const requests = metrics.registry.counter("control_request_total", "Calls to the control plane.").series(labels);
  const responses = metrics.registry.counter("control_response_total", "Calls to the control plane, at their end.");
  const latency = metrics.registry
    .histogram(
      "control_response_latency_ms",
      "Milliseconds to the first message or the end.",
      [1, 5, 10, 50, 100, 500, 1000, 5000],
    )
    .series(labels);
  return {
    call(path, request, sink) {
      requests.inc();
      const startedAtMs = clock.monotonicMs();
      let isFirst = true;
      const first = () => {
        if (isFirst) latency.observe(clock.monotonicMs() - startedAtMs);
        isFirst = false;
      };
      const counted: GrpcSink = {
        message(bytes) {
          first();
          sink.message(bytes);
        },
        closed(status) {
          first();
          const classification = status.code === 0 ? "success" : "failure";
          responses.series({ ...labels, grpc_status: status.code, classification }).inc();
          sink.closed(status);
        },
      };
      return channel.call(path, request, counted);
    },
    close: () => channel.close(),
  };
}
