import { constants } from "node:crypto";
import { type Clock, systemClock, type Timer } from "#lib/clock";
import { readTextIfThere } from "#lib/files";
import type { Log } from "#lib/log";
import { type AdmissionAnswer, type AdmissionRequest, formatReview, parseReview } from "./admission.ts";
import { TcpFront } from "./tcp-front.ts";

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
const HANDOVER_MS = 1_000; // connections on their way to the old server still arrive there
const ONLY_TLS_1_3 = constants.SSL_OP_NO_TLSv1 | constants.SSL_OP_NO_TLSv1_1 | constants.SSL_OP_NO_TLSv1_2;

interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/**
 * The HTTPS server behind an admission webhook: `POST /` with an AdmissionReview. TLS 1.3 only. A changed certificate
 * is served within seconds: a second TLS server takes new connections, the first ends with its own.
 */
export class WebhookServer {
  readonly #options: WebhookServerOptions;
  readonly #clock: Clock;
  readonly #front: TcpFront;
  #server: Bun.Server<undefined>;
  #served: KeyPair;
  #timer: Timer;
  #isClosed = false;

  private constructor(options: WebhookServerOptions, pair: KeyPair, server: Bun.Server<undefined>, front: TcpFront) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#front = front;
    this.#server = server;
    this.#served = pair;
    this.#timer = this.#scheduleCheck();
  }

  /** Listens. Throws when the certificate is not there or not usable, or the port is taken. */
  static async start(options: WebhookServerOptions): Promise<WebhookServer> {
    const pair = readPair(options);
    if (!pair) {
      const { certPath, keyPath } = options;
      throw new Error(`Cannot serve webhooks: no certificate at "${certPath}" or no key at "${keyPath}"`);
    }
    const server = serveTls(options, pair);
    const front = await TcpFront.listen({ host: options.hostname, port: options.port }, server.port ?? 0);
    return new WebhookServer(options, pair, server, front);
  }

  get port(): number {
    return this.#front.port;
  }

  /** Stops accepting and lets requests under way be answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.cancel();
    this.#front.stopAccepting();
    await this.#server.stop();
    this.#front.cut();
  }

  /** Serves a changed certificate at once instead of at the next check. A broken one is logged, the old one stays. */
  reload(): void {
    const pair = readPair(this.#options);
    if (!pair || (pair.cert === this.#served.cert && pair.key === this.#served.key)) return;
    try {
      const old = this.#server;
      this.#server = serveTls(this.#options, pair);
      this.#front.targetPort = this.#server.port ?? 0;
      this.#served = pair;
      this.#clock.schedule(HANDOVER_MS, () => void old.stop());
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
}

/** The TLS server itself, on a loopback port of its own. */
function serveTls(options: WebhookServerOptions, { cert, key }: KeyPair): Bun.Server<undefined> {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: IDLE_S,
    maxRequestBodySize: MAX_BODY_BYTES,
    tls: { cert, key, secureOptions: ONLY_TLS_1_3 },
    fetch: (request) => answer(options, request),
  });
}

async function answer(options: WebhookServerOptions, http: Request): Promise<Response> {
  if (new URL(http.url).pathname !== "/") return new Response("Not found: webhooks are at /\n", { status: 404 });
  if (http.method !== "POST") return new Response("Method not allowed: send POST\n", { status: 405 });
  const body = await http.text();
  if (body === "") return new Response("");
  const { review, error } = parseReview(body);
  if (!review) return new Response(`${error}\n`, { status: 400 });
  try {
    const judged = await options.review(review.request);
    return new Response(formatReview(review, judged), { headers: { "content-type": "application/json" } });
  } catch (cause) {
    const { kind, namespace, name } = review.request;
    const message = cause instanceof Error ? cause.message : String(cause);
    options.log.error("Cannot review", { kind: kind?.kind, namespace, name, error: message });
    return new Response(`Cannot review: ${message}\n`, { status: 500 });
  }
}

function readPair({ certPath, keyPath }: WebhookServerOptions): KeyPair | undefined {
  const cert = readTextIfThere(certPath);
  const key = readTextIfThere(keyPath);
  return cert && key ? { cert, key } : undefined;
}
