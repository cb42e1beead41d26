import type { Counter, Gauge, MetricsRegistry } from "#lib/metrics";
import { type MetaRef, refLabels } from "../route/metadata.ts";

/** What is measured of one balancer, under Linkerd's names. */
export class BalancerSeries {
  readonly #ready: Gauge;
  readonly #pending: Gauge;
  readonly #count: Gauge;
  readonly #queue: Gauge;
  readonly #opened: Counter;
  readonly #shut: Counter;

  constructor(registry: MetricsRegistry, kind: "http" | "tcp", backend: MetaRef) {
    const prefix = `outbound_${kind}_balancer`;
    const labels = refLabels("backend", backend);
    const endpoints = registry.gauge(`${prefix}_endpoints`, "Endpoints of a balancer, by state.");
    this.#ready = endpoints.series({ ...labels, endpoint_state: "ready" });
    this.#pending = endpoints.series({ ...labels, endpoint_state: "pending" });
    this.#count = registry.gauge(`${prefix}_p2c_endpoints`, "Endpoints that a balancer chooses among.").series(labels);
    this.#queue = registry.gauge(`${prefix}_queue_length`, "Requests that wait for an endpoint.").series(labels);
    this.#opened = registry
      .counter(`${prefix}_queue_gate_open_total`, "Times a balancer left fail-fast.")
      .series(labels);
    this.#shut = registry
      .counter(`${prefix}_queue_gate_shut_total`, "Times a balancer entered fail-fast.")
      .series(labels);
  }

  endpoints(ready: number, pending: number): void {
    this.#ready.set(ready);
    this.#pending.set(pending);
    this.#count.set(ready + pending);
  }

  queued(length: number): void {
    this.#queue.set(length);
  }

  gate(isOpen: boolean): void {
    (isOpen ? this.#opened : this.#shut).inc();
  }
}
