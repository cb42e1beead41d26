import { constants } from "node:crypto";
import { type Clock, systemClock, type Timer } from "#lib/clock";
import { readTextIfThere } from "#lib/files";
import type { Log } from "#lib/log";
import { type AdmissionAnswer, type AdmissionRequest, formatReview, parseReview } from "./admission.ts";

export interface WebhookServerOptions {
  readonly hostname: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly certPath: string;
  readonly keyPath: string;
  /**
   * Judges a request. When it throws, the answer is HTTP 500, so that the webhook configuration's failure policy
   * decides and not this program (docs/decisions/0010-webhook-errors.md).
   */
  readonly review: (request: AdmissionRequest) => AdmissionAnswer | Promise<AdmissionAnswer>;
  readonly log: Log;
  readonly clock?: Clock;
}

const MAX_BODY_BYTES = 10 * 1024 * 1024; // the API server's own limit is 3 MiB; Linkerd takes 10
const IDLE_S = 60;
const CERT_CHECK_MS = 2_000; // the kubelet takes up to a minute to bring a new Secret; this adds little
const ONLY_TLS_1_3 = constants.SSL_OP_NO_TLSv1 | constants.SSL_OP_NO_TLSv1_1 | constants.SSL_OP_NO_TLSv1_2;

interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/**
 * The HTTPS server behind an admission webhook: `POST /` with an AdmissionReview. TLS 1.3 only. A changed certificate
 * is served within seconds: a second listener on the same port takes new connections, the first ends with its own.
 */
export class WebhookServer {
  readonly #options: WebhookServerOptions;
  readonly #clock: Clock;
  #server: Bun.Server<undefined>;
  #served: KeyPair;
  #timer: Timer;
  #isClosed = false;

  private constructor(options: WebhookServerOptions, pair: KeyPair) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#served = pair;
    this.#server = this.#listen(options.port, pair);
    this.#timer = this.#scheduleCheck();
  }

  /** Listens. Throws when the certificate is not there or not usable. */
  static start(options: WebhookServerOptions): WebhookServer {
    const pair = readPair(options);
    if (!pair) {
      const { certPath, keyPath } = options;
      throw new Error(`Cannot serve webhooks: no certificate at "${certPath}" or no key at "${keyPath}"`);
    }
    return new WebhookServer(options, pair);
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  /** Stops accepting and lets requests under way be answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.cancel();
    await this.#server.stop();
  }

  /** Serves a changed certificate at once instead of at the next check. A broken one is logged, the old one stays. */
  reload(): void {
    const pair = readPair(this.#options);
    if (!pair || (pair.cert === this.#served.cert && pair.key === this.#served.key)) return;
    try {
      const next = this.#listen(this.port, pair);
      void this.#server.stop();
      this.#server = next;
      this.#served = pair;
      this.#options.log.info("Serving the new webhook certificate");
    } catch (cause) {
      // Cert and key are replaced one after the other outside of Kubernetes; the next check sees both.
      this.#options.log.warn("Kept the old webhook certificate", { error: (cause as Error).message });
    }
  }

  #scheduleCheck(): Timer {
    return this.#clock.schedule(CERT_CHECK_MS, () => {
      if (this.#isClosed) return;
      this.reload();
      this.#timer = this.#scheduleCheck();
    });
  }

  #listen(port: number, { cert, key }: KeyPair): Bun.Server<undefined> {
    return Bun.serve({
      hostname: this.#options.hostname,
      port,
      reusePort: true,
      idleTimeout: IDLE_S,
      maxRequestBodySize: MAX_BODY_BYTES,
      tls: { cert, key, secureOptions: ONLY_TLS_1_3 },
      fetch: (request) => this.#answer(request),
    });
  }

  async #answer(http: Request): Promise<Response> {
    if (new URL(http.url).pathname !== "/") return new Response("Not found: webhooks are at /\n", { status: 404 });
    if (http.method !== "POST") return new Response("Method not allowed: send POST\n", { status: 405 });
    const body = await http.text();
    if (body === "") return new Response("");
    const { review, error } = parseReview(body);
    if (!review) return new Response(`${error}\n`, { status: 400 });
    try {
      const answer = await this.#options.review(review.request);
      return new Response(formatReview(review, answer), { headers: { "content-type": "application/json" } });
    } catch (cause) {
      const { kind, namespace, name } = review.request;
      const message = cause instanceof Error ? cause.message : String(cause);
      this.#options.log.error("Cannot review", { kind: kind?.kind, namespace, name, error: message });
      return new Response(`Cannot review: ${message}\n`, { status: 500 });
    }
  }
}

function readPair({ certPath, keyPath }: WebhookServerOptions): KeyPair | undefined {
  const cert = readTextIfThere(certPath);
  const key = readTextIfThere(keyPath);
  return cert && key ? { cert, key } : undefined;
}
