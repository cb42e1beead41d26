import { type HeaderLine, knownId } from "#fields";
import type { BackoffOptions } from "#lib/backoff";
import type { Timer } from "#lib/clock";
import { HTTP_2, type RequestHead, type ResponseHead } from "#message";
import { formatAddress } from "#net/address";
import { type Breaker, ConsecutiveFailures, NO_BREAKER } from "../../balance/breaker.ts";
import { PeakEwma } from "../../balance/peak-ewma.ts";
import { RelayError } from "../../errors.ts";
import { type HttpSeries, isGrpcFailure } from "../../metrics/http-series.ts";
import type { ProxyMetrics } from "../../metrics/proxy-metrics.ts";
import { HttpPool, type PoolObserver } from "../../pool/http-pool.ts";
import type { ClientConnection } from "../../relay/exchange.ts";
import type { CallOrigin, CallTarget, HttpCall } from "../../relay/http-call.ts";
import { takeOrigProtoResponse } from "../../relay/orig-proto.ts";
import type { EndpointInfo } from "../endpoint/endpoint-info.ts";
import { type HttpDialer, type HttpSession, openHttp } from "../endpoint/http-dialer.ts";
import { Balancer, type EndpointOwner, type EndpointState } from "./balancer.ts";
import type { ConcreteDeps } from "./concrete.ts";
import { Dispatch, type DispatchEndpoint } from "./dispatch.ts";
import { Reachability, type ReachabilityOwner } from "./reachability.ts";

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
export class HttpConcrete implements CallOrigin {
  readonly name: string;
  readonly balancer: Balancer<HttpEndpoint>;
  readonly #release: () => void;

  constructor(deps: HttpConcreteDeps) {
    this.name = deps.name;
    this.balancer = new Balancer<HttpEndpoint>({
      ...deps,
      makeEndpoint: (info, owner) => new HttpEndpoint(info, deps, owner),
    });
    this.#release = deps.subscribe(this.balancer);
  }

  get hasReady(): boolean {
    return this.balancer.hasReady;
  }

  /**
   * Finds an endpoint and a connection for one call. With both at hand the request leaves before this returns; otherwise its
   * head is copied, and it waits.
   */
  send(call: HttpCall, head: RequestHead, added: HeaderLine[]): void {
    const requiredId = takeRequiredId(head);
    if (requiredId !== undefined && !this.#isIdentified(requiredId, call)) return;
    const endpoint = this.balancer.pick();
    const connection = endpoint?.poolFor(head).take();
    if (endpoint && connection) {
      call.keep(head, added, this);
      endpoint.open(connection, head, added, call);
    } else new Dispatch(this.balancer, call, head.copy(), [...added]).start(endpoint);
  }

  returned(call: HttpCall, target: CallTarget, cause: RelayError): boolean {
    const { head, added } = call.kept!;
    return new Dispatch(this.balancer, call, head, added).returned(call, target, cause);
  }

  close(): void {
    this.#release();
    this.balancer.close();
  }

  /** `l5d-require-id`: every endpoint must have this identity. */
  #isIdentified(requiredId: string, call: HttpCall): boolean {
    const endpoint = this.balancer.pick();
    const id = endpoint?.info.identity?.id;
    if (!endpoint || id === requiredId) return true;
    const message = `required the identity "${requiredId}", the endpoint has "${id ?? "none"}"`;
    call.fail(new RelayError("identity-required", "proxy", "never", message));
    return false;
  }
}

function takeRequiredId(head: RequestHead): string | undefined {
  const index = head.fields.find(REQUIRE_ID);
  if (index < 0) return undefined;
  const value = head.fields.value(index);
  head.fields.remove(index);
  return value.toLowerCase();
}

/** One peer: its connections by protocol, whether it can be reached, how slow it looks, whether it is trusted, and its counters. */
export class HttpEndpoint implements DispatchEndpoint, PoolObserver, ReachabilityOwner {
  readonly info: EndpointInfo;
  readonly session: HttpSession;
  readonly #deps: HttpConcreteDeps;
  readonly #series: HttpSeries;
  readonly #load: PeakEwma;
  readonly #breaker: Breaker;
  readonly #reach: Reachability;
  readonly #owner: EndpointOwner;
  #pool1: HttpPool | undefined; // HTTP/1
  #pool2: HttpPool | undefined; // HTTP/2
  #probation: Timer | null = null; // until the breaker lets a probe pass
  #inFlight = 0;

  constructor(info: EndpointInfo, deps: HttpConcreteDeps, owner: EndpointOwner) {
    this.info = info;
    this.#deps = deps;
    this.#owner = owner;
    this.session = deps.dialer.sessionOf(info);
    this.#series = deps.metrics.http(deps.connector.labels(info));
    this.#load = new PeakEwma(deps.load.defaultRttMs, deps.load.decayMs, deps.clock.monotonicMs());
    this.#breaker = deps.accrual
      ? new ConsecutiveFailures(deps.accrual.maxFailures, deps.accrual.backoff, deps.random)
      : NO_BREAKER;
    this.#reach = new Reachability(deps, this);
  }

  /** A breaker's probe is one request: as long as it waits for its connection, no other follows. */
  get isReady(): boolean {
    if (this.#reach.isDown && !this.#hasRoom) return false;
    if (!this.#breaker.isEjected) return true;
    return this.#breaker.isOpen(this.#deps.clock.monotonicMs()) && this.#waitingCount === 0;
  }

  get state(): EndpointState {
    if (this.#breaker.isEjected) return "ejected";
    if (this.#reach.isDown && !this.#hasRoom) return "unreachable";
    return this.#reach.isTried ? "ready" : "untried";
  }

  get #hasRoom(): boolean {
    return this.#pool1?.hasRoom === true || this.#pool2?.hasRoom === true;
  }

  get #waitingCount(): number {
    return (this.#pool1?.waitingCount ?? 0) + (this.#pool2?.waitingCount ?? 0);
  }

  /** What waits for a connection is a burden as well: else all would wait for the one that has none. */
  cost(nowMs: number): number {
    return this.#load.read(nowMs) * (this.#inFlight + this.#waitingCount + 1);
  }

  /** The connections on which a request travels. HTTP/1 goes over HTTP/2 to a peer proxy, except for upgrades. */
  poolFor(head: RequestHead): HttpPool {
    const isHttp2 = head.version === HTTP_2 || (this.session.upgradesHttp1 && !head.isUpgrade);
    return this.#pool(isHttp2);
  }

  /** Opens a stream, in the form in which this peer wants it. */
  open(connection: ClientConnection, head: RequestHead, added: HeaderLine[], call: HttpCall): void {
    openHttp(this.session, connection, head, added, call, this);
  }

  doubt(): void {
    this.#reach.doubt();
  }

  retire(): void {
    this.#reach.close();
    this.#probation?.cancel();
    this.#pool1?.retire();
    this.#pool2?.retire();
  }

  sent(isAgain: boolean): void {
    this.#inFlight++;
    if (!isAgain) this.#series.requests.value++;
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
    if (this.#breaker === NO_BREAKER) return;
    const wasEjected = this.#breaker.isEjected;
    if (isSuccess) this.#breaker.succeeded();
    else this.#breaker.failed(this.#deps.clock.monotonicMs());
    this.#judged(wasEjected);
  }

  failed(cause: RelayError, hasData: boolean): void {
    if (!hasData) this.#inFlight--;
    this.#series.failed(cause.code);
    if (this.#breaker === NO_BREAKER) return;
    const wasEjected = this.#breaker.isEjected;
    if (cause.side === "client") this.#breaker.abandoned();
    else this.#breaker.failed(this.#deps.clock.monotonicMs());
    this.#judged(wasEjected);
  }

  /** A connection that had been closed says nothing about the next; one who refuses will do so again. */
  returned(cause: RelayError): void {
    this.#inFlight--;
    if (this.#breaker === NO_BREAKER) return;
    const wasEjected = this.#breaker.isEjected;
    if (cause.code === "stream-reset") this.#breaker.failed(this.#deps.clock.monotonicMs());
    else this.#breaker.abandoned();
    this.#judged(wasEjected);
  }

  // --- what its pools say, and what it is to try by itself

  connected(): void {
    this.#reach.connected();
  }

  connectFailed(failure: RelayError): void {
    this.#owner.connectFailed(failure);
    this.#reach.failed();
  }

  eased(): void {
    if (this.#reach.isDown || this.#breaker.isEjected) this.#owner.changed();
  }

  /** Of two protocols either will do: both are reached at one port. */
  probe(): void {
    (this.#pool2 ?? this.#pool1 ?? this.#pool(this.session.upgradesHttp1)).probe();
  }

  changed(): void {
    this.#owner.changed();
  }

  /** The balancer hears when the breaker trips or closes, when a probe failed, and when the next may pass. */
  #judged(wasEjected: boolean): void {
    if (!wasEjected && !this.#breaker.isEjected) return;
    this.#awaitProbation();
    this.#owner.changed();
  }

  #awaitProbation(): void {
    this.#probation?.cancel();
    this.#probation = null;
    const waitMs = this.#breaker.waitMs(this.#deps.clock.monotonicMs());
    if (waitMs === 0) return;
    this.#probation = this.#deps.clock.schedule(waitMs, () => {
      this.#awaitProbation(); // a timer may be early
      this.#owner.changed();
    });
  }

  #pool(isHttp2: boolean): HttpPool {
    if (isHttp2) return (this.#pool2 ??= this.#makePool(true));
    return (this.#pool1 ??= this.#makePool(false));
  }

  #makePool(isHttp2: boolean): HttpPool {
    const { clock, maxIdle, poolIdleMs, queueCapacity, failfastMs, dialer } = this.#deps;
    return new HttpPool({
      peer: formatAddress(this.info.address),
      isHttp2,
      dial: (owner, outcome) => dialer.dial(this.info, isHttp2, owner, outcome),
      clock,
      maxIdle,
      idleMs: poolIdleMs,
      maxWaiters: queueCapacity,
      maxWaitMs: failfastMs,
      observer: this,
    });
  }
}

const REQUIRE_ID = knownId("l5d-require-id");
/** What the peer's proxy says to this one is not for the application. */
const FROM_PEER_PROXY = [knownId("l5d-proxy-error"), knownId("l5d-proxy-connection")];
