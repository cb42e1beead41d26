import type { Counter, Family, Labels, MetricsRegistry } from "#lib/metrics";
import { type Decision, METRIC_ANNOTATIONS } from "#manifests/inject";

export interface AdmissionLabels {
  readonly ownerKind: string;
  readonly namespace: string;
  readonly annotationAt: Decision["annotationAt"];
  /** The object's own annotations. */
  readonly annotations: Readonly<Record<string, string>>;
}

// Its value may hold what must not be scraped.
const UNQUOTED = "config.linkerd.io/proxy-additional-env";

/** Counts admission requests and what became of them. */
export class InjectorMetrics {
  readonly #requests: Family<Counter>;
  readonly #responses: Family<Counter>;

  constructor(registry: MetricsRegistry) {
    this.#requests = registry.counter(
      "proxy_inject_admission_requests_total",
      "Number of proxy injection requests received",
    );
    this.#responses = registry.counter(
      "proxy_inject_admission_responses_total",
      "Number of proxy injection requests answered, by outcome",
    );
  }

  request(labels: AdmissionLabels): void {
    this.#requests.series(flatten(labels)).inc();
  }

  response(labels: AdmissionLabels, skipReasons: readonly string[], isSkipped: boolean): void {
    const outcome = { skip: `${isSkipped}`, skip_reason: isSkipped ? skipReasons.join(",") : "" };
    this.#responses.series({ ...flatten(labels), ...outcome }).inc();
  }
}

function flatten({ ownerKind, namespace, annotationAt, annotations }: AdmissionLabels): Labels {
  const labels: Record<string, string> = { owner_kind: ownerKind, namespace, annotation_at: annotationAt };
  for (const name of METRIC_ANNOTATIONS) {
    const value = annotations[name] ?? "";
    const label = name.slice(name.indexOf("/") + 1).replaceAll("-", "_");
    labels[label] = name === UNQUOTED && value !== "" ? "set" : value;
  }
  return labels;
}
