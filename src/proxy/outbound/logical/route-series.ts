import type { Counter, Histogram, Labels, MetricsRegistry } from "#lib/metrics";
import { HttpSeries, isGrpcFailure } from "../../metrics/http-series.ts";
import { LATENCY_MS, type ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import type { RetryObserver } from "../../retry/exchange.ts";
import { type MetaRef, refLabels, routeLabels } from "../../route/metadata.ts";
import type { HttpRule } from "./policy.ts";

/** A ServiceProfile route's own families. Attempts are counted, as retries of profiles are rare. */
class ProfileSeries {
  readonly #series: HttpSeries;

  constructor(registry: MetricsRegistry, labels: Labels) {
    this.#series = new HttpSeries(
      labels,
      registry.counter("route_request_total", "Requests of a ServiceProfile's route."),
      registry.counter("route_response_total", "Responses of a ServiceProfile's route."),
      registry.histogram("route_response_latency_ms", "Milliseconds to the end of the response.", LATENCY_MS),
    );
  }

  sent(): void {
    this.#series.requests.value++;
  }

  ended(httpStatus: number, grpcStatus: number, error: string, durationMs: number): void {
    if (error !== "") {
      this.#series.failed(error);
      return;
    }
    const isSuccess = grpcStatus >= 0 ? !isGrpcFailure(grpcStatus) : httpStatus < 500;
    this.#series.ended(httpStatus, grpcStatus, isSuccess);
    this.#series.latency(httpStatus, durationMs);
  }
}

const DURATION_S = [0.05, 0.5, 1, 10];
const known = new WeakMap<HttpRule, RouteSeries[]>(); // with the rule they go

/** What is measured of one route of one parent, and of its backend. Looked up by the rule itself. */
export class RouteSeries {
  readonly #metrics: ProxyMetrics;
  readonly #prefix: string;
  readonly #labels: Record<string, string>;
  readonly #backend: MetaRef | undefined;
  readonly #duration: Histogram;
  readonly #isGrpc: boolean;
  readonly #profile: ProfileSeries | undefined;
  readonly #backendRequests: Counter | undefined;
  readonly #statuses = new Map<number, Counter>();
  /** How requests that were sent again fared. */
  readonly retries: RetryObserver;

  constructor(metrics: ProxyMetrics, parent: MetaRef, rule: HttpRule, backend: MetaRef | undefined) {
    this.#metrics = metrics;
    this.#prefix = rule.isGrpc ? "outbound_grpc_route" : "outbound_http_route";
    this.#labels = { ...refLabels("parent", parent), ...routeLabels(rule.route) };
    this.#backend = backend;
    this.#isGrpc = rule.isGrpc;
    this.#profile = rule.profileLabels && new ProfileSeries(metrics.registry, rule.profileLabels);
    this.#duration = metrics.registry
      .histogram(`${this.#prefix}_request_duration_seconds`, "Seconds from request to end of response.", DURATION_S)
      .series(this.#labels);
    this.#backendRequests =
      backend &&
      metrics.registry
        .counter(`${this.#prefix}_backend_requests_total`, "Requests sent to a backend of a route.")
        .series({ ...this.#labels, ...refLabels("backend", backend) });
    this.retries = this.#countRetries();
  }

  #countRetries(): RetryObserver {
    const counter = (what: string, help: string) => () =>
      this.#metrics.registry.counter(`${this.#prefix}_retry_${what}_total`, help).series(this.#labels).inc();
    return {
      retried: counter("requests", "Requests sent again."),
      succeeded: counter("successes", "Requests answered by a later attempt."),
      limitExceeded: counter("limit_exceeded", "Requests that used up their attempts."),
      overflowed: counter("overflow", "Requests too large to be sent again."),
    };
  }

  static of(metrics: ProxyMetrics, parent: MetaRef, rule: HttpRule, backend: MetaRef | undefined): RouteSeries {
    let list = known.get(rule);
    if (!list) known.set(rule, (list = []));
    for (const series of list) if (series.#backend === backend) return series;
    const made = new RouteSeries(metrics, parent, rule, backend);
    list.push(made);
    return made;
  }

  sent(): void {
    this.#profile?.sent();
    this.#backendRequests?.inc();
  }

  ended(httpStatus: number, grpcStatus: number, error: string, durationMs: number): void {
    const status = this.#isGrpc ? grpcStatus : httpStatus;
    this.#duration.observe(durationMs / 1000);
    this.#profile?.ended(httpStatus, grpcStatus, error, durationMs);
    if (error !== "") {
      this.#family()
        .series({ ...this.#labels, [this.#statusLabel]: "", error })
        .inc();
      return;
    }
    let counter = this.#statuses.get(status);
    if (!counter) {
      counter = this.#family().series({ ...this.#labels, [this.#statusLabel]: status, error: "" });
      this.#statuses.set(status, counter);
    }
    counter.value++;
  }

  get #statusLabel(): string {
    return this.#prefix === "outbound_grpc_route" ? "grpc_status" : "http_status";
  }

  #family() {
    return this.#metrics.registry.counter(`${this.#prefix}_request_statuses_total`, "Requests by how they ended.");
  }
}
