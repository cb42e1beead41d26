import { type Counter, type Gauge, type Histogram, type Labels, MetricsRegistry } from "#lib/metrics";
import { WeakCache } from "#lib/weak-cache";
import type { TransportMeter } from "#net/tcp";
import { HttpSeries } from "./http-series.ts";

/** Bounds of Linkerd's latency histograms, milliseconds. */
export const LATENCY_MS = [
  1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000, 10_000, 20_000, 30_000,
  40_000, 50_000,
];

/**
 * Every family of the proxy, by Linkerd's names, and the series that many connections share.
 * Look series up once per connection or route and keep them.
 */
export class ProxyMetrics {
  readonly registry = new MetricsRegistry();
  readonly #http = new WeakCache<HttpSeries>(); // by labels; at most MAX_HTTP_SERIES
  readonly #requests = this.registry.counter("request_total", "Requests, counted when their head is passed on.");
  readonly #responses = this.registry.counter("response_total", "Responses, counted at their end.");
  readonly #latency = this.registry.histogram(
    "response_latency_ms",
    "Milliseconds from the request's head to the first body data of its response.",
    LATENCY_MS,
  );
  readonly #open = this.registry.counter("tcp_open_total", "Connections opened.");
  readonly #openNow = this.registry.gauge("tcp_open_connections", "Connections open now.");
  readonly #close = this.registry.counter("tcp_close_total", "Connections closed, by errno.");
  readonly #read = this.registry.counter("tcp_read_bytes_total", "Bytes read from peers.");
  readonly #written = this.registry.counter("tcp_write_bytes_total", "Bytes written to peers.");

  /** The series of one endpoint's requests and responses. */
  http(labels: Labels): HttpSeries {
    const key = JSON.stringify(labels);
    let series = this.#http.get(key);
    if (!series) {
      if (this.#http.size >= MAX_HTTP_SERIES) return this.http({ overflow: "true" });
      series = new HttpSeries(labels, this.#requests, this.#responses, this.#latency);
      this.#http.set(key, series);
    }
    return series;
  }

  /** Forgets what did nothing since the last call and belongs to nobody who is still there. */
  forgetIdle(): void {
    this.#http.sweep();
    this.registry.forgetIdle();
  }

  /** Lets go of everything that nobody counts with; what was counted stays. For a quiet moment. */
  compact(): void {
    this.#http.sweep();
    this.registry.compact();
  }

  /** Counts one connection: opened now, closed when the meter is told. */
  transport(labels: Labels): TransportMeter {
    this.#open.series(labels).inc();
    const openNow = this.#openNow.series(labels);
    openNow.add(1);
    return new Meter(openNow, this.#read.series(labels), this.#written.series(labels), (cause) =>
      this.#close.series({ ...labels, errno: cause ?? "" }).inc(),
    );
  }

  /** Adds one to a counter that is too rare to be worth keeping. */
  count(name: string, help: string, labels: Labels): void {
    this.registry.counter(name, help).series(labels).inc();
  }
}

const MAX_HTTP_SERIES = 4_000; // label sets; each has a request counter, a histogram and a few response counters

class Meter implements TransportMeter {
  readonly #openNow: Gauge;
  readonly #read: Counter;
  readonly #written: Counter;
  readonly #onClosed: (cause: string | undefined) => void;

  constructor(openNow: Gauge, read: Counter, written: Counter, onClosed: (cause: string | undefined) => void) {
    this.#openNow = openNow;
    this.#read = read;
    this.#written = written;
    this.#onClosed = onClosed;
  }

  read(byteCount: number): void {
    this.#read.value += byteCount;
  }

  written(byteCount: number): void {
    this.#written.value += byteCount;
  }

  closed(cause: string | undefined): void {
    this.#openNow.value -= 1;
    this.#onClosed(cause);
  }
}

export type { Histogram };
