import type { Clock } from "#lib/clock";
import type { Counter, Gauge, MetricsRegistry } from "#lib/metrics";

/** The certificate's life, under Linkerd's names. */
export class IdentitySeries {
  readonly #clock: Clock;
  readonly #expires: Gauge;
  readonly #refreshed: Gauge;
  readonly #ok: Counter;
  readonly #error: Counter;

  constructor(registry: MetricsRegistry, clock: Clock) {
    this.#clock = clock;
    this.#expires = registry
      .gauge("control_identity_cert_expiration_timestamp_seconds", "When the certificate expires.")
      .series();
    this.#refreshed = registry
      .gauge("control_identity_cert_refresh_timestamp_seconds", "When the certificate was last renewed.")
      .series();
    const refreshes = registry.counter("control_identity_cert_refreshes_total", "Renewals, by result.");
    this.#ok = refreshes.series({ result: "ok" });
    this.#error = refreshes.series({ result: "error" });
  }

  refreshed(expiresAtMs: number): void {
    this.#ok.inc();
    this.#expires.set(expiresAtMs / 1000);
    this.#refreshed.set(this.#clock.wallMs() / 1000);
  }

  failed(): void {
    this.#error.inc();
  }
}
