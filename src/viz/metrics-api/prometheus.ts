import { type MetricsSource, type Sample, type Selection, toPromQl } from "./source.ts";

export interface PrometheusOptions {
  /** Base address, like http://prometheus.linkerd-viz.svc.cluster.local:9090 */
  readonly url: string;
  readonly authorization?: string;
  readonly timeoutMs: number;
}

interface QueryReply {
  readonly status: string;
  readonly error?: string;
  readonly data?: {
    readonly result?: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

/** Asks a Prometheus through its HTTP API. */
export class PrometheusSource implements MetricsSource {
  readonly #options: PrometheusOptions;

  constructor(options: PrometheusOptions) {
    this.#options = options;
  }

  increase(select: Selection, windowMs: number, by: readonly string[]): Promise<Sample[]> {
    return this.#query(`sum(increase(${toPromQl(select)}[${windowMs}ms])) by (${by.join(", ")})`);
  }

  current(select: Selection, by: readonly string[]): Promise<Sample[]> {
    return this.#query(`sum(${toPromQl(select)}) by (${by.join(", ")})`);
  }

  quantile(q: number, select: Selection, windowMs: number, by: readonly string[]): Promise<Sample[]> {
    return this.#query(
      `histogram_quantile(${q}, sum(irate(${toPromQl(select)}[${windowMs}ms])) by (${["le", ...by].join(", ")}))`,
    );
  }

  async check(): Promise<void> {
    await this.#query("vector(1)");
  }

  async #query(query: string): Promise<Sample[]> {
    const { url, authorization, timeoutMs } = this.#options;
    let reply: QueryReply;
    try {
      const response = await fetch(`${url.replace(/\/$/, "")}/api/v1/query`, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded", ...(authorization ? { authorization } : {}) },
        body: new URLSearchParams({ query }),
        signal: AbortSignal.timeout(timeoutMs),
      });
      reply = (await response.json()) as QueryReply;
    } catch (cause) {
      throw new Error(
        `Cannot ask Prometheus at ${url}: ${(cause as Error).message}; check that it runs and that this address is right`,
        {
          cause,
        },
      );
    }
    if (reply.status !== "success")
      throw new Error(`Prometheus at ${url} refused the query ${query}: ${reply.error ?? reply.status}`);
    return (reply.data?.result ?? []).map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }
}
