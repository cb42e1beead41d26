import { type HeaderLine, knownId } from "#fields";
import type { BackoffOptions } from "#lib/backoff";
import { HTTP_2, type RequestHead, type ResponseHead } from "#message";
import { type Breaker, ConsecutiveFailures, NO_BREAKER } from "../../balance/breaker.ts";
import { PeakEwma } from "../../balance/peak-ewma.ts";
import type { RelayError } from "../../errors.ts";
import { type HttpSeries, isGrpcFailure } from "../../metrics/http-series.ts";
import type { ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import { HttpPool } from "../../pool/http-pool.ts";
import type { ClientConnection } from "../../relay/exchange.ts";
import type { CallTarget, HttpCall } from "../../relay/http-call.ts";
import { takeOrigProtoResponse } from "../../relay/orig-proto.ts";
import type { EndpointInfo } from "../endpoint/endpoint-info.ts";
import { type HttpDialer, type HttpSession, openHttp } from "../endpoint/http-dialer.ts";
import { type BalancedEndpoint, Balancer } from "./balancer.ts";
import type { ConcreteDeps } from "./concrete.ts";

export interface AccrualOptions {
  readonly maxFailures: number;
  readonly backoff: BackoffOptions;
}

export interface HttpConcreteDeps extends ConcreteDeps {
  readonly dialer: Pick<HttpDialer, "dial" | "sessionOf">;
  readonly metrics: ProxyMetrics;
  readonly accrual: AccrualOptions | undefined;
  readonly maxIdle: number;
  readonly poolIdleMs: number;
}

/** Where HTTP requests of one backend go. */
export class HttpConcrete {
  readonly name: string;
  readonly balancer: Balancer<HttpEndpoint>;
  readonly #release: () => void;

  constructor(deps: HttpConcreteDeps) {
    this.name = deps.name;
    this.balancer = new Balancer<HttpEndpoint>({
      ...deps,
      makeEndpoint: (info, changed) => new HttpEndpoint(info, deps, changed),
    });
    this.#release = deps.subscribe(this.balancer);
  }

  close(): void {
    this.#release();
    this.balancer.close();
  }
}

/** One peer: its connections by protocol, how slow it looks, whether it is trusted, and its counters. */
export class HttpEndpoint implements BalancedEndpoint, CallTarget {
  readonly info: EndpointInfo;
  readonly session: HttpSession;
  readonly #deps: HttpConcreteDeps;
  readonly #series: HttpSeries;
  readonly #load: PeakEwma;
  readonly #breaker: Breaker;
  readonly #changed: () => void;
  #pool1: HttpPool | undefined; // HTTP/1
  #pool2: HttpPool | undefined; // HTTP/2
  #inFlight = 0;

  constructor(info: EndpointInfo, deps: HttpConcreteDeps, changed: () => void) {
    this.info = info;
    this.#deps = deps;
    this.#changed = changed;
    this.session = deps.dialer.sessionOf(info);
    this.#series = deps.metrics.http(deps.connector.labels(info));
    this.#load = new PeakEwma(deps.load.defaultRttMs, deps.load.decayMs, deps.clock.monotonicMs());
    this.#breaker = deps.accrual
      ? new ConsecutiveFailures(deps.accrual.maxFailures, deps.accrual.backoff, deps.random)
      : NO_BREAKER;
  }

  get isReady(): boolean {
    if (this.#pool1?.isReady === false || this.#pool2?.isReady === false) return false;
    return this.#breaker === NO_BREAKER || this.#breaker.isOpen(this.#deps.clock.monotonicMs());
  }

  cost(nowMs: number): number {
    return this.#load.read(nowMs) * (this.#inFlight + 1);
  }

  /** The connections on which a request travels. HTTP/1 goes over HTTP/2 to a peer proxy, except for upgrades. */
  poolFor(head: RequestHead): HttpPool {
    const isHttp2 = head.version === HTTP_2 || (this.session.upgradesHttp1 && !head.isUpgrade);
    if (isHttp2) return (this.#pool2 ??= this.#makePool(true));
    return (this.#pool1 ??= this.#makePool(false));
  }

  /** Opens a stream, in the form in which this peer wants it. */
  open(connection: ClientConnection, head: RequestHead, added: HeaderLine[], call: HttpCall): void {
    openHttp(this.session, connection, head, added, call, this);
  }

  retire(): void {
    this.#pool1?.retire();
    this.#pool2?.retire();
  }

  sent(): void {
    this.#inFlight++;
    this.#series.requests.value++;
    if (this.#breaker !== NO_BREAKER) this.#breaker.started(this.#deps.clock.monotonicMs());
  }

  responded(head: ResponseHead, _added: HeaderLine[], call: HttpCall): void {
    takeOrigProtoResponse(head, call.requestVersion);
    for (const id of FROM_PEER_PROXY) {
      const index = head.fields.find(id);
      if (index >= 0) head.fields.remove(index);
    }
  }

  firstData(status: number, latencyMs: number): void {
    this.#inFlight--;
    this.#load.observe(latencyMs, this.#deps.clock.monotonicMs());
    this.#series.latency(status, latencyMs);
  }

  ended(status: number, grpcStatus: number): void {
    const isSuccess = grpcStatus >= 0 ? !isGrpcFailure(grpcStatus) : status < 500;
    this.#series.ended(status, grpcStatus, isSuccess);
    if (isSuccess) this.#breaker.succeeded();
    else this.#breaker.failed(this.#deps.clock.monotonicMs());
  }

  failed(cause: RelayError, hasData: boolean): void {
    if (!hasData) this.#inFlight--;
    this.#series.failed(cause.code);
    if (cause.side === "client") this.#breaker.abandoned();
    else this.#breaker.failed(this.#deps.clock.monotonicMs());
  }

  #makePool(isHttp2: boolean): HttpPool {
    const { clock, random, connectBackoff, maxIdle, poolIdleMs, queueCapacity, dialer } = this.#deps;
    return new HttpPool({
      isHttp2,
      dial: (owner, outcome) => dialer.dial(this.info, isHttp2, owner, outcome),
      clock,
      random,
      backoff: connectBackoff,
      maxIdle,
      idleMs: poolIdleMs,
      maxWaiters: queueCapacity,
      changed: this.#changed,
    });
  }
}

/** What the peer's proxy says to this one is not for the application. */
const FROM_PEER_PROXY = [knownId("l5d-proxy-error"), knownId("l5d-proxy-connection")];
