import type { Clock } from "#lib/clock";
import type { RequestHead } from "#message";
import { parseIp } from "#net/address";
import type { TcpTransport } from "#net/tcp";
import { HeldClient } from "../accept/held-client.ts";
import { httpVersionOf } from "../accept/http-version.ts";
import type { Live } from "../accept/live.ts";
import { serveHttp } from "../accept/serve-http.ts";
import { TlsPeek } from "../accept/tls-peek.ts";
import { authorize, type InboundClient } from "../authorize/authorization.ts";
import type { ProxyConfig } from "../env.ts";
import { RelayError } from "../errors.ts";
import type { Identity } from "../identity/identity.ts";
import type { PortPolicy } from "../inbound/policies.ts";
import type { RequestHandler, ServerStream } from "../relay/exchange.ts";
import { HttpCall } from "../relay/http-call.ts";
import type { Ticker } from "../relay/ticker.ts";
import { type AdminDeps, AdminHandler } from "./admin.ts";

export interface AdminServerDeps extends AdminDeps {
  readonly config: ProxyConfig;
  readonly clock: Clock;
  readonly identity: Identity;
  /** The policy of the admin port: who may ask. */
  readonly policy: PortPolicy;
  readonly live: Live;
  readonly ticker: Ticker;
}

const DETECT_MS = 1_000;

/** Connections at a time: who asks for metrics or probes needs a handful. The listener must take a few more. */
const MAX_OPEN = 192;

/**
 * Serves the admin port, plain or through mesh TLS; the inbound policy of the port applies, except to probes. When
 * `MAX_OPEN` connections are open the oldest is cut: nobody can keep the kubelet out by holding connections.
 */
export class AdminServer {
  readonly #deps: AdminServerDeps;
  readonly #open = new Set<TcpTransport>(); // oldest first; those that have closed leave when room is needed

  constructor(deps: AdminServerDeps) {
    this.#deps = deps;
  }

  accept(transport: TcpTransport): void {
    this.#makeRoom();
    this.#open.add(transport);
    const client = new HeldClient(transport);
    const timer = this.#deps.clock.schedule(DETECT_MS, () => transport.terminate());
    const peek = new TlsPeek(transport, this.#deps.clock, (result) => {
      if (result.kind === "plain") {
        transport.resume();
        client.onSpeak(() => this.#serve(client, () => timer.cancel()));
      } else if (result.sni === this.#deps.identity.name && this.#deps.identity.isReady) {
        client.take();
        this.#terminate(transport, () => timer.cancel());
      } else transport.terminate();
    });
    client.onGone(() => {
      peek.cancel();
      timer.cancel();
    });
    peek.start();
  }

  #makeRoom(): void {
    if (this.#open.size < MAX_OPEN) return;
    for (const transport of this.#open) if (transport.isClosed) this.#open.delete(transport);
    if (this.#open.size < MAX_OPEN) return;
    for (const oldest of this.#open) {
      this.#open.delete(oldest);
      oldest.terminate();
      return;
    }
  }

  #terminate(transport: TcpTransport, decided: () => void): void {
    transport.handler = { data() {}, drain() {}, end() {}, closed: decided };
    transport.startTlsServer(this.#deps.identity.files, [], (failure) => {
      if (failure !== undefined) {
        transport.terminate();
        return;
      }
      const client = new HeldClient(transport);
      client.onGone(decided);
      client.onSpeak(() => this.#serve(client, decided));
    });
  }

  #serve(client: HeldClient, decided: () => void): void {
    decided();
    const version = httpVersionOf(client.first);
    if (version === "other") {
      client.take();
      client.transport.terminate();
      return;
    }
    const { transport } = client;
    const who: InboundClient = {
      ip: parseIp(transport.remote.ip)!,
      isTls: transport.peer !== null,
      id: transport.peer?.id,
    };
    const { clock, ticker, live, config } = this.#deps;
    serveHttp(client, {
      isHttp2: version === "http2",
      handler: new Guarded(this.#deps, who, new AdminHandler(this.#deps, transport.remote.ip)),
      emitsDetail: false,
      clock,
      ticker,
      live,
      http2: { ...config.inbound.http2, keepAliveIntervalMs: undefined },
      onClosed() {},
    });
  }
}

/** Lets a request through to the endpoints when the port's policy allows it. */
class Guarded implements RequestHandler {
  readonly #deps: AdminServerDeps;
  readonly #client: InboundClient;
  readonly #inner: RequestHandler;

  constructor(deps: AdminServerDeps, client: InboundClient, inner: RequestHandler) {
    this.#deps = deps;
    this.#client = client;
    this.#inner = inner;
  }

  request(head: RequestHead, stream: ServerStream): void {
    if (isProbe(head)) {
      this.#inner.request(head, stream);
      return;
    }
    const policy = this.#deps.policy.current;
    const rule = policy.invalid ? undefined : policy.routes.find(head);
    const isAllowed = rule && authorize(rule.grants, this.#client) !== undefined;
    if (isAllowed) {
      this.#inner.request(head, stream);
      return;
    }
    const call = new HttpCall(head, stream, this.#deps.clock, this.#client.id !== undefined);
    if (policy.invalid) call.fail(new RelayError("policy-invalid", "proxy", "never", policy.invalid));
    else if (!rule) call.fail(new RelayError("no-route", "proxy", "never", "no route found for request"));
    else call.fail(new RelayError("unauthorized", "proxy", "never", "unauthorized request on the admin port"));
  }
}

/** Whoever asks may know whether we live: a policy that cannot be had must not have the pod killed. */
function isProbe({ path, method }: RequestHead): boolean {
  return (path === "/live" || path === "/ready") && (method === "GET" || method === "HEAD");
}
